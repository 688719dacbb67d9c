"""Mail that accounts send, by the hub's own worker."""

from __future__ import annotations

import logging
from smtplib import SMTPException

from celery import shared_task

from accounts.mail import send_proof
from accounts.models import User

log = logging.getLogger(__name__)


@shared_task(name="accounts.tasks.send_verification", ignore_result=True)
def send_verification(key: int, **_unknown: object) -> bool:
    """Ask at the address whether it is theirs; who gets nothing can press the button again."""
    user = User.objects.filter(pk=key, is_active=True, is_suspended=False, email_verified=False).first()
    if user is None or not user.email:
        return False
    try:
        send_proof(user)
    except (OSError, SMTPException, ValueError) as error:
        log.warning("mail: a verification could not be sent: %s", type(error).__name__)
        return False
    return True

"""Settings pages of machines: a person's own, and those of an organization for its admins."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.models import Namespace
from models_app.actions.refusals import InvalidInput
from models_app.views.support import HubRequest, page
from runs import worker_actions as verbs
from runs.flavors import DEFAULT_FLAVOR, FLAVORS
from runs.models import Tier, Worker, WorkerState
from runs.worker_access import access_machine, machine_namespace, machine_rows
from runs.workers_api import wheel_url

TIERS = [
    (Tier.OWNER, lazy("only our own runs")),
    (Tier.COMMUNITY, lazy("our own runs, and those of others where everything is public")),
]


class MachineForm(forms.Form):
    """A new machine; `runs.worker_actions.add_machine` has the last word on each field."""

    name = forms.CharField(
        label=lazy("Name"),
        max_length=48,
        widget=forms.TextInput(attrs={"placeholder": "gpu-box", "autocomplete": "off"}),
    )
    flavors = forms.MultipleChoiceField(
        label=lazy("What it is"), initial=[DEFAULT_FLAVOR], widget=forms.CheckboxSelectMultiple
    )
    tier = forms.ChoiceField(
        label=lazy("What it takes"), choices=TIERS, initial=Tier.OWNER, widget=forms.RadioSelect
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["flavors"].choices = [(one.name, one.title) for one in FLAVORS.values()]  # type: ignore[attr-defined]


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@page
def machines(request: HubRequest, name: str | None = None) -> HttpResponse:
    """The machines of one's own, or of an organization; POST adds one. Context: as `_shown`."""
    namespace = machine_namespace(request.actor, name)
    form = MachineForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made, fresh = verbs.add_machine(request.actor, namespace=namespace, **form.cleaned_data)
            return _shown(request, namespace, MachineForm(), made, fresh)
        except InvalidInput as refusal:
            form.add_error(None, refusal.message)
    return _shown(request, namespace, form, status=422 if form.errors else 200)


@never_cache
@login_required
@require_POST
@page
def machine(request: HubRequest, pk: int) -> HttpResponse:
    """`action` is active, draining, offline, renew or remove; the page of all of them follows."""
    found, action = access_machine(request.actor, pk), request.POST.get("action", "")
    assert found.owner is not None  # the gate lets nobody to the hub's own
    if action == "renew":
        fresh = verbs.renew_token(request.actor, worker=found)
        return _shown(request, found.owner, MachineForm(), found, fresh)
    if action == "remove":
        verbs.remove_machine(request.actor, worker=found)
        messages.success(request, _("%(name)s is removed.") % {"name": found.name})
    elif action in WorkerState.values:
        verbs.set_state(request.actor, worker=found, state=action)
    else:
        messages.error(request, _("This button does nothing any more."))
    return redirect(_address(found.owner))


def _address(namespace: Namespace) -> str:
    if namespace.is_organization:
        return reverse("organization-machines", args=[namespace.name])
    return reverse("machines")


def _shown(
    request: HubRequest,
    namespace: Namespace,
    form: MachineForm,
    made: Worker | None = None,
    fresh: str | None = None,
    status: int = 200,
) -> HttpResponse:
    """Context: `namespace`, `rows` (MachineRow), `form`, `address` of the page, and of a machine just made
    `made`, `fresh` (its token: in this one answer and nowhere else), `install` and `start` (commands)."""
    context = {
        "namespace": namespace,
        "rows": machine_rows(request.actor, namespace),
        "form": form,
        "address": _address(namespace),
        "made": made,
        "fresh": fresh,
        "install": f'pip install "tuneyard[worker] @ {wheel_url()}"',
        "start": made and _start_command(made),
    }
    return render(request, "runs/machines.html", context, status=status)


def _start_command(worker: Worker) -> str:
    return (
        f"tuneyard worker --hub {settings.HUB_PUBLIC_URL} --name {worker.short_name}"
        f" --flavors {','.join(worker.flavors)}"
    )

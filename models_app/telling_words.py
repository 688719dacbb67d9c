"""What a line of the inbox says, in the reader's language: made when it is shown, never kept."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext, pgettext

from models_app.badges import title_of
from models_app.models import NoteKind, Notification

# What the settings and the inbox's filter call the kinds, and when they come.
KINDS = {
    NoteKind.MENTION: (
        lazy("Mentions"),
        lazy("Somebody writes @ and your name, or an organization’s that you belong to."),
    ),
    NoteKind.REPLY: (lazy("Replies"), lazy("Something is said in a thread you take part in.")),
    NoteKind.THREAD: (
        lazy("New discussions"),
        lazy("A discussion begins in your repos, or in one you follow."),
    ),
    NoteKind.PULL_REQUEST: (
        lazy("Pull requests"),
        lazy("Changes are offered to your repos or to one you follow, merged or closed."),
    ),
    NoteKind.ANSWER: (lazy("Accepted answers"), lazy("Your answer to a question was accepted.")),
    NoteKind.RUN: (lazy("Runs"), lazy("A run of yours has ended.")),
    NoteKind.ACCESS: (
        lazy("Access requests"),
        lazy("Somebody asks to be let in at your repos, or a request of yours was decided."),
    ),
    NoteKind.FOLLOWER: (lazy("Followers"), lazy("Somebody begins to follow you or your organization.")),
    NoteKind.LIKE: (lazy("Likes"), lazy("Somebody likes one of your repos.")),
    NoteKind.REPO_UPDATE: (lazy("Updates"), lazy("A repo you follow has new commits.")),
    NoteKind.NEW_WORK: (lazy("New work"), lazy("Somebody you follow has published a repo.")),
    NoteKind.BOARD: (
        lazy("Boards"),
        lazy("Places changed on a board you follow, or a model of yours lost the first one."),
    ),
    NoteKind.SEARCH: (lazy("Saved searches"), lazy("A saved search of yours has new results.")),
    NoteKind.BADGE: (lazy("Badges"), lazy("You have earned a badge by verified work.")),
}


def sentence(note: Notification) -> str:
    """The line in one sentence."""
    values = {
        "who": note.actor.display_name() if note.actor is not None else _("Somebody who left"),
        "repo": note.repo.repo_id if note.repo is not None else "",
        "count": note.count,
        "title": str(note.data.get("title", "")),
        "num": note.data.get("num", 0),
    }
    return _SAYING[note.kind](note) % values


def _mention(note: Notification) -> str:
    if group := str(note.data.get("organization", "")).replace("%", "%%"):
        words = ngettext(
            "%(who)s mentioned %(group)s in “%(title)s”",
            "You were mentioned %(count)d times in “%(title)s”, last with %(group)s by %(who)s",
            note.count,
        )
        return words.replace("%(group)s", group)
    return ngettext(
        "%(who)s mentioned you in “%(title)s”",
        "You were mentioned %(count)d times in “%(title)s”, last by %(who)s",
        note.count,
    )


def _reply(note: Notification) -> str:
    if "status" in note.data:
        return _status(note)
    return ngettext(
        "%(who)s replied in “%(title)s”", "%(count)d replies in “%(title)s”, the last by %(who)s", note.count
    )


def _status(note: Notification) -> str:
    said = {
        "merged": _("%(who)s merged “%(title)s”"),
        "closed": _("%(who)s closed “%(title)s”"),
        "open": _("%(who)s reopened “%(title)s”"),
    }
    return said.get(str(note.data.get("status")), _("%(who)s changed “%(title)s”"))


def _thread(note: Notification) -> str:
    return _("%(who)s began the discussion “%(title)s”")


def _pull_request(note: Notification) -> str:
    return _status(note) if "status" in note.data else _("%(who)s offers changes: “%(title)s”")


def _answer(note: Notification) -> str:
    return _("%(who)s accepted your answer in “%(title)s”")


def _run(note: Notification) -> str:
    name = str(note.data.get("name", "")).replace("%", "%%")
    if note.data.get("stage") == "ERROR":
        return _("Your run failed: %(name)s") % {"name": name}
    return _("Your run is done: %(name)s") % {"name": name}


def _access(note: Notification) -> str:
    if note.data.get("asked"):
        return ngettext(
            "%(who)s asks to be let in at %(repo)s",
            "%(count)d requests to be let in at %(repo)s, the last by %(who)s",
            note.count,
        )
    if note.data.get("status") == "accepted":
        return _("You were let in at %(repo)s")
    return _("Your request at %(repo)s was rejected")


def _follower(note: Notification) -> str:
    if group := str(note.data.get("organization", "")).replace("%", "%%"):
        words = ngettext(
            "%(who)s follows %(group)s",
            "%(count)d new followers of %(group)s, the last is %(who)s",
            note.count,
        )
        return words.replace("%(group)s", group)
    return ngettext(
        "%(who)s follows you", "%(count)d new followers of yours, the last is %(who)s", note.count
    )


def _like(note: Notification) -> str:
    return ngettext(
        "%(who)s likes %(repo)s", "%(count)d new likes of %(repo)s, the last by %(who)s", note.count
    )


def _update(note: Notification) -> str:
    return ngettext(
        "%(who)s changed %(repo)s", "%(count)d changes of %(repo)s, the last by %(who)s", note.count
    )


def _new_work(note: Notification) -> str:
    return _("%(who)s published %(repo)s")


def _board(note: Notification) -> str:
    board = str(note.data.get("board", "")).replace("%", "%%")
    model = str(note.data.get("model", "")).replace("%", "%%")
    place = int(note.data.get("place") or 0)
    if note.data.get("lost"):
        words = pgettext("board", "{model} lost the first place on {board}")
    elif note.count > 1:
        words = pgettext("board", "Places changed on {board}; last {model} took place {place}")
    else:
        words = pgettext("board", "{model} took place {place} on {board}")
    return words.format(model=model, board=board, place=place)


def _search(note: Notification) -> str:
    new = int(note.data.get("new") or note.count)
    words = ngettext(
        "%(new)d new result of your search “%(title)s”",
        "%(new)d new results of your search “%(title)s”",
        new,
    )
    return words.replace("%(new)d", str(new))


def _badge(note: Notification) -> str:
    title = str(title_of(str(note.data.get("badge", "")))).replace("%", "%%")
    if group := str(note.data.get("organization", "")).replace("%", "%%"):
        return _("%(group)s earned the badge “%(badge)s”") % {"group": group, "badge": title}
    return _("You earned the badge “%(badge)s”") % {"badge": title}


_SAYING: dict[str, Callable[[Notification], str]] = {
    NoteKind.MENTION: _mention,
    NoteKind.REPLY: _reply,
    NoteKind.THREAD: _thread,
    NoteKind.PULL_REQUEST: _pull_request,
    NoteKind.ANSWER: _answer,
    NoteKind.RUN: _run,
    NoteKind.ACCESS: _access,
    NoteKind.FOLLOWER: _follower,
    NoteKind.LIKE: _like,
    NoteKind.REPO_UPDATE: _update,
    NoteKind.NEW_WORK: _new_work,
    NoteKind.BOARD: _board,
    NoteKind.SEARCH: _search,
    NoteKind.BADGE: _badge,
}

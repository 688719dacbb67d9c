"""The second stage's other half: data of one's own from the browser, and the repo that is made of them."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.actor import Actor
from models_app.access import Refusal
from models_app.actions.repos import check_repo_name
from models_app.content.licences import LICENCES
from models_app.templatetags.hub import file_size
from models_app.views.support import writable_namespaces
from runs import guide_tables
from runs.guide_dataset import MAX_BYTES, BadUpload, Prepared
from runs.guide_pictures import from_rows, from_zip

PICTURES = "image-classification"
ROWS = 6
_COMMON = ("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "mit", "apache-2.0", "other")


def can_upload(task: str) -> str:
    """What this form takes for the task: `pictures`, `table`, or nothing."""
    return "pictures" if task == PICTURES else "table" if task in guide_tables.TASKS else ""


def licence_choices(*more: str) -> list[tuple[str, Any]]:
    """Licences to choose from: the usual ones, these, then every other that is known."""
    ids = [one for one in dict.fromkeys((*more, *_COMMON)) if one]
    rest = sorted(set(LICENCES) - set(ids))
    named = [(one, LICENCES[one].name if one in LICENCES else one) for one in [*ids, *rest]]
    return [("", _("Not said")), *named]


class UploadForm(forms.Form):
    """Name, owner, licence, seed, and the files: an archive, rows of pictures by class, or a table."""

    namespace = forms.ChoiceField(label=_("Owner"), widget=forms.Select(attrs={"aria-label": _("Owner")}))
    name = forms.CharField(
        label=_("Name of the data set"), max_length=96, help_text=_("Letters, digits, “-”, “_” and “.”.")
    )
    is_private = forms.BooleanField(label=_("Only I, or my organization, may see the data"), required=False)
    licence = forms.ChoiceField(
        label=_("Licence"), required=False, help_text=_("What others may do with the data, if you know.")
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        initial=0,
        min_value=0,
        max_value=2**31 - 1,
        help_text=_("A fifth of the rows is kept for measuring; the same seed draws the same ones."),
    )
    archive = forms.FileField(label=_("ZIP archive"), required=False)
    table = forms.FileField(label=_("CSV file"), required=False)
    target = forms.CharField(label=_("Column to be told"), max_length=200, required=False)
    prepared: Prepared

    def __init__(
        self,
        actor: Actor,
        task: str,
        data: Any = None,
        files: MultiValueDict[str, UploadedFile] | None = None,
    ) -> None:
        super().__init__(data, files, auto_id="upload_%s")
        self.task = task
        names = writable_namespaces(actor)
        cast(forms.ChoiceField, self.fields["namespace"]).choices = [(name, name) for name in names]
        cast(forms.ChoiceField, self.fields["licence"]).choices = licence_choices()
        kind = can_upload(task)
        if kind != "pictures":
            del self.fields["archive"]
        if kind != "table":
            del self.fields["table"]
        if task not in guide_tables.WITH_TARGET:
            del self.fields["target"]

    @property
    def rows(self) -> list[tuple[int, str]]:
        """(number, class name) of each row of pictures."""
        return [(number, str(self.data.get(f"class_{number}", ""))[:80]) for number in range(1, ROWS + 1)]

    @property
    def limit(self) -> str:
        """How much the form takes."""
        return file_size(guide_tables.MAX_TABLE_BYTES if can_upload(self.task) == "table" else MAX_BYTES)

    def clean_name(self) -> str:
        """The rule of repo names."""
        try:
            return check_repo_name(self.cleaned_data["name"])
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message) from refusal

    def clean(self) -> dict[str, Any]:
        """Read the files; what is wrong with them is told beside them."""
        cleaned = super().clean() or {}
        if not self.errors:
            field = "table" if can_upload(self.task) == "table" else "archive"
            try:
                self.prepared = self._read(cleaned)
            except BadUpload as refusal:
                self.add_error(field, refusal.message)
        return cleaned

    def _read(self, cleaned: dict[str, Any]) -> Prepared:
        files = self.files
        sent = [one for name in files for one in cast(MultiValueDict[str, UploadedFile], files).getlist(name)]
        if sum(one.size or 0 for one in sent) > MAX_BYTES:
            text = gettext(
                "That is more than %(size)s: upload it with the hf command line, which can go on where "
                "it stopped."
            )
            raise BadUpload(text % {"size": file_size(MAX_BYTES)})
        seed = int(cleaned["seed"])
        if can_upload(self.task) == "table":
            if not cleaned.get("table"):
                raise BadUpload(gettext("Choose a CSV file."))
            return guide_tables.from_table(
                cleaned["table"], self.task, cleaned.get("target", "").strip(), seed
            )
        if cleaned.get("archive"):
            return from_zip(cleaned["archive"], seed)
        picked = cast(MultiValueDict[str, UploadedFile], files)
        rows = [(label, picked.getlist(f"pictures_{number}")) for number, label in self.rows]
        if not any(found for _label, found in rows):
            raise BadUpload(gettext("Choose a ZIP archive, or pictures for two classes at least."))
        return from_rows(cast(Any, rows), seed)

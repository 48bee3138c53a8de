"""What somebody sends through the public page or its API becomes a case, or joins one: once for each key of a form."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner
from django.db import transaction
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from central.cases import actions, history, telling
from central.cases.attachments import attach, read_sent
from central.cases.models import Case, Reporter
from central.cases.photos import BadPhotoError, Photo
from central.cases.reporters import Contact, find_or_make
from central.cases.reports import PLACE_LENGTH, TEXT_LENGTH, NewCase, open_case
from central.cases.rules import definition_of
from central.cases.states import CaseState, Relation
from central.project.clock import now_ms
from central.voice.categories import VoiceCategory, category, codes_of_services, may_be_anonymous
from central.voice.models import Saying
from central.voice.places import Where, locate
from protocol.errors import PatrolError

_INVITATIONS = TimestampSigner(salt="central.voice.me-too")
INVITED_S = 7 * 86_400
"""A form that was filled in without a network may be sent days later."""

PHOTOS_MOST = 4
DAY_MS = 86_400_000
A_DAY = 10
"""Reports of one number in a day. Whoever has more to say is called back."""

_KEY = re.compile(r"[0-9A-Za-z_-]{16,64}")
ACTOR = "resident"


class SayError(PatrolError):
    """Something in the form cannot be taken: the field, and why in the reader's language."""

    status = 422


class OtherContentError(SayError):
    """This form was sent before with other contents."""

    status = 409


class TooManyError(SayError):
    """Enough for today; `wait_s` says when to come back."""

    status = 429

    def __init__(self, problem: str, wait_s: int) -> None:
        super().__init__(problem, field="phone")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Form:
    """What was filled in. Position in WGS-84 degrees; photos as (bytes, name)."""

    key: str
    category: str = ""
    text: str = ""
    place: str = ""
    longitude: float | None = None
    latitude: float | None = None
    name: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    language: str = "zh-hans"
    code: str = ""
    jurisdiction_id: str = ""
    photos: Sequence[tuple[bytes, str]] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody gets: the matter's number and the secret of the progress page. `again`: it was here before."""

    saying: Saying
    token: str
    again: bool

    @property
    def number(self) -> str:
        """The number that people write down."""
        return number_of(self.saying.case)


def number_of(case: Case) -> str:
    """The number of a matter as people read it out."""
    return f"S{case.pk:06d}"


def submit(form: Form) -> Answer:
    """Take a report. The same form again gives the same answer, and finishes what was cut short the first time.

    Raises:
        SayError: something in it cannot be taken.
        UnavailableError: contacts cannot be sealed now, or a photo not be stored.
    """
    key = _key(form.key)
    content = _content("report", form)
    known = _known(key, content)
    photos = _photos(form)
    if known is None:
        with transaction.atomic():
            known = _open(form, key, content)
    saying, again = known
    for at, ((data, name), photo) in enumerate(zip(form.photos, photos, strict=True)):
        attach(saying.case, None, data, name, f"voice-{key[:40]}-{at}", actor=ACTOR, photo=photo)
    return Answer(saying, token_of(key), again)


def _not_known() -> str:
    return _("This matter is closed or not known. Please send your own report.")


def invitation(case_id: int) -> str:
    """What a resident who was shown a matter sends to join it: its number alone would let anybody follow any matter."""
    return _INVITATIONS.sign(str(case_id))


def invited(text: str) -> int:
    """The matter of an invitation.

    Raises:
        SayError: nobody was shown it, or that was more than a week ago.
    """
    try:
        return int(_INVITATIONS.unsign(text[:100], max_age=INVITED_S))
    except BadSignature as error:
        raise SayError(_not_known(), field="me_too") from error


def me_too(case_id: int, form: Form, within: str = "") -> Answer:
    """Somebody has the same matter: he is counted and, where he leaves a number, told of each step.

    Args:
        case_id: the matter, or a report that was put together with it.
        form: key and contact; its text, where there is one, becomes a note for those who work on it.
        within: the only jurisdiction whose matters may be joined, or any.

    Raises:
        SayError: there is no such open matter, or something in the form cannot be taken.
        UnavailableError: contacts cannot be sealed now.
    """
    key = _key(form.key)
    content = _content(f"me too {case_id}", form)
    known = _known(key, content)
    if known is not None:
        return Answer(known[0], token_of(key), True)
    with transaction.atomic():
        case = root_of(case_id)
        if case is None or case.state == CaseState.CLOSED or (within and case.jurisdiction_id != within):
            raise SayError(_not_known(), field="me_too")
        reporter = _reporter(form, case.jurisdiction_id)
        case = Case._base_manager.select_for_update().get(pk=case.pk)
        first = case.sayings.filter(kind=Saying.Kind.REPORT).values_list("category", flat=True).first()
        saying, again = _write(Saying.Kind.ME_TOO, case, key, content, form, reporter, first or "other")
        if not again:
            now = now_ms()
            tells = definition_of(case).by_name[case.process_state].tell
            if reporter is not None:
                telling.follow(case, reporter.pk, now, tells=tells)
            history.append(case, "me_too", now, ACTOR, reporter=reporter.pk if reporter else None)
            if form.text.strip():
                actions.write_note(case.pk, ACTOR, form.text[: actions.NOTE_LENGTH], f"voice-{key[:60]}")
    return Answer(saying, token_of(key), again)


def root_of(case_id: int) -> Case | None:
    """The matter that a case belongs to, if it is one of residents."""
    case = Case._base_manager.filter(pk=case_id, service_code__in=codes_of_services()).first()
    if case is not None and case.relation == Relation.DUPLICATE and case.parent_id is not None:
        case = Case._base_manager.get(pk=case.parent_id)
    return case


def find_saying(token: str) -> Saying | None:
    """What was sent with the form whose link this is."""
    found = Saying.objects.unscoped("the link is the key").filter(token_sha256=_sha256(token))
    return found.select_related("case", "reporter").first()


def link_for(case: Case, reporter: Reporter) -> str:
    """The address of somebody's progress page of a matter, for messages; empty where no public address is set."""
    mine = Saying._base_manager.filter(reporter=reporter)
    own = mine.filter(case=case).order_by("pk").first()
    found = own or mine.filter(case__parent=case, case__relation=Relation.DUPLICATE).order_by("pk").first()
    base = settings.PATROL.public_url
    if found is None or base is None:
        return ""
    return f"{base.rstrip('/')}{reverse('voice:progress', args=[token_of(found.key_sha256)])}"


def token_of(key: str) -> str:
    """The secret of a link, from the hash of its form's key: the same for each repetition, and nothing that can be guessed."""
    mac = salted_hmac("central.voice.link", key, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(mac[:18]).decode()


def people_of(case: Case) -> int:
    """How many have told of a matter: its own report, those put together with it, and who said "me too"."""
    mine = Saying.objects.unscoped("a number says nothing of anybody")
    return (
        mine.filter(case=case).count()
        + mine.filter(case__parent=case, case__relation=Relation.DUPLICATE).count()
    )


def _open(form: Form, key: str, content: str) -> tuple[Saying, bool]:
    found = _category(form)
    text = _text(form)
    where = locate(form.code, form.longitude, form.latitude, form.place, form.jurisdiction_id)
    if len(where.place) > PLACE_LENGTH:
        raise SayError(_("Please describe the place in fewer words."), field="place")
    reporter = _reporter(form, where.jurisdiction_id)
    if reporter is None and not may_be_anonymous(found):
        raise SayError(_("For this kind of matter we need a number to call you back."), field="phone")
    case, _new = open_case(
        NewCase(
            source="person",
            source_key=f"voice/{key}",
            service_code=found.service,
            jurisdiction_id=where.jurisdiction_id,
            at_ms=now_ms(),
            actor=ACTOR,
            text=text,
            place=where.place,
            position=where.position,
            grid=where.grid,
            reporter=reporter,
        )
    )
    return _write(Saying.Kind.REPORT, case, key, content, form, reporter, found.code, where)


def _write(
    kind: Saying.Kind,
    case: Case,
    key: str,
    content: str,
    form: Form,
    reporter: Reporter | None,
    code: str,
    where: Where | None = None,
) -> tuple[Saying, bool]:
    """(what was sent, whether it was here before); of two at once the second finds the first one's."""
    known = Saying._base_manager.filter(key_sha256=key).select_related("case").first()
    if known is not None:
        return known, True
    made = Saying.objects.create(
        case=case,
        kind=kind,
        category=code,
        reporter=reporter,
        key_sha256=key,
        content_sha256=content,
        token_sha256=_sha256(token_of(key)),
        code=None if where is None else where.code,
        language=form.language,
        at_ms=now_ms(),
    )
    return made, False


def _known(key: str, content: str) -> tuple[Saying, bool] | None:
    known = Saying._base_manager.filter(key_sha256=key).select_related("case").first()
    if known is None:
        return None
    if known.content_sha256 != content:
        raise OtherContentError(
            _("This form was sent already. Open the page again to say something else."), field="key"
        )
    return known, True


def _key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise SayError(_("The page is too old. Please open it again."), field="key")
    return _sha256(text)


def _category(form: Form) -> VoiceCategory:
    try:
        return category(form.category)
    except PatrolError as error:
        raise SayError(_("Please choose what it is about."), field="category") from error


def _text(form: Form) -> str:
    text = form.text.strip()
    if len(text) < 4 or "\x00" in text:
        raise SayError(_("Please write what is the matter, in a few words at least."), field="text")
    if len(text) > TEXT_LENGTH:
        raise SayError(_("The text is too long."), field="text")
    return text


def _reporter(form: Form, jurisdiction_id: str) -> Reporter | None:
    if not form.phone.strip():
        if form.name.strip():
            raise SayError(_("With a name we need a number too; or leave both out."), field="phone")
        return None
    try:
        made = find_or_make(jurisdiction_id, Contact(form.name, form.phone, form.language))
    except PatrolError as error:
        if error.field in {"reporter.phone", "reporter.name", "reporter"}:
            raise SayError(_("This is not a telephone number."), field="phone") from error
        raise
    # Writers that come at the same moment with one number may pass together: it is a brake, not a promise.
    since = now_ms() - DAY_MS
    recent = list(
        Saying._base_manager.filter(reporter=made, at_ms__gt=since)
        .order_by("at_ms")
        .values_list("at_ms", flat=True)
    )
    if len(recent) >= A_DAY:
        wait_s = max(60, (recent[-A_DAY] - since) // 1000)
        raise TooManyError(
            _("You have sent %(count)d reports within a day. Please come back in %(hours)d h.")
            % {"count": len(recent), "hours": max(1, round(wait_s / 3600))},
            wait_s,
        )
    return made


def _photos(form: Form) -> list[Photo]:
    if len(form.photos) > PHOTOS_MOST:
        raise SayError(_("At most %(count)d photos.") % {"count": PHOTOS_MOST}, field="photos")
    found = []
    for data, _name in form.photos:
        try:
            found.append(read_sent(data))
        except BadPhotoError as error:
            size = settings.PATROL.picture_bytes // 2**20
            said = _("This file is not a photo that can be read, or larger than %(size)d MB.") % {
                "size": size
            }
            raise SayError(said, field="photos") from error
    return found


def _content(kind: str, form: Form) -> str:
    told = [kind, form.category, form.text.strip(), form.place.strip(), form.phone.strip(), form.code]
    photos = [hashlib.sha256(data).hexdigest() for data, _name in form.photos]
    return _sha256(json.dumps([*told, *photos], ensure_ascii=False))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

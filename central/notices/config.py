"""How this centre warns owners: one TOML file, named in PATROL_CENTRAL_NOTICES_FILE."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Self

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field, model_validator

from notifier.config_file import read_config
from notifier.policy import NoticePolicy
from notifier.sms import SmsConfig
from protocol.messages import Ident


class NoticesFile(BaseModel):
    """How owners are warned. Unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sender: str = Field(
        default="",
        title="Sender",
        description="Who warns: the name in the message, where the agent names nobody.",
        max_length=40,
    )
    opt_out: str = Field(
        default="",
        title="Opt-out word",
        description="What the text says to answer to get no more messages, e.g. TD; only where the gateway passes "
        "answers on.",
        max_length=10,
    )
    parallel: int = Field(
        default=4,
        title="Parallel",
        description="Messages that one worker hands to the gateway at a time.",
        ge=1,
        le=32,
    )
    policy: NoticePolicy = Field(
        default=NoticePolicy(), title="Policy", description="When, to whom and how often."
    )
    jurisdiction: dict[Ident, NoticePolicy] = Field(
        default_factory=dict,
        title="Jurisdictions",
        description="Policies of single jurisdictions; each replaces the general one as a whole.",
    )
    sms: SmsConfig = Field(default=SmsConfig(), title="Gateway", description="Who carries the messages.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        account = self.sms.aliyun if self.sms.gateway == "aliyun" else None
        deaf = account is not None and not (account.callback_token_file or account.callback_token_env)
        if self.opt_out and deaf:
            raise ValueError(
                "opt_out needs sms.aliyun.callback_token_file: answers come through the call-back"
            )
        return self

    def policy_of(self, jurisdiction_id: str) -> NoticePolicy:
        """The policy of a jurisdiction."""
        return self.jurisdiction.get(jurisdiction_id, self.policy)


def load() -> NoticesFile:
    """The configuration; read again when the file changes.

    Raises:
        UnavailableError: it cannot be read.
        PatrolError: something in it is wrong.
    """
    path: Path | None = settings.PATROL.notices_file
    if path is None:
        return _NOBODY
    try:
        stamp = path.stat().st_mtime_ns
    except OSError:
        stamp = 0
    return _read(path, stamp)


_NOBODY = NoticesFile()


@lru_cache(maxsize=4)
def _read(path: Path, _stamp: int) -> NoticesFile:
    return read_config(path, NoticesFile, keys="docs/notices.md")

"""The rules that decode descriptions, their order, and the choice among them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from casfs.errors import ConfigError
from casfs.tree.descriptions import (
    cloudberry,
    fastglacier,
    git_annex,
    glacier_rsync,
    mt_aws_glacier,
    plain,
    qnap,
)
from casfs.tree.descriptions.described import Described

RULES: Mapping[str, Callable[[str], Described | None]] = {
    "mt-aws-glacier": mt_aws_glacier.decode,
    "fastglacier": fastglacier.decode,
    "cloudberry": cloudberry.decode,
    "qnap": qnap.decode,
    "glacier-rsync": glacier_rsync.decode,
    "git-annex": git_annex.decode,
    "windows-paths": plain.decode_windows,
    "plain": plain.decode,
}
"""Every rule in the standard order: those first whose texts are hardest to mistake."""

_ON_REQUEST = {"windows-paths"}


@dataclass(frozen=True)
class RuleSet:
    """The rules that are tried; the first that matches wins.

    A text that none of them matches is still shown, as a single name.

    Attributes:
        names: keys of `RULES`, in order.
    """

    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, setting: str = "description_rules") -> "RuleSet":
        """Parse the rules in a setting.

        Args:
            text: either names, such as `fastglacier,plain`: only these, in this order; or changes,
                such as `-git-annex,+windows-paths`: the standard ones, minus and plus these.
            setting: its name, for the message.

        Raises:
            ConfigError: an unknown rule, or names mixed with changes.
        """
        items = [item.strip() for item in text.split(",")]
        names = [item[1:] if item.startswith(("+", "-")) else item for item in items]
        for name in names:
            if name not in RULES:
                known = ", ".join(RULES)
                raise ConfigError(f"{setting} has an unknown rule {name!r}; known: {known}")
        if all(item in RULES for item in items):
            return cls(tuple(dict.fromkeys(items)))
        if any(item in RULES for item in items):
            raise ConfigError(
                f"{setting} must be either rules (a,b) or changes to the standard ones (-a,+b), "
                f"not {text!r}"
            )
        chosen = {name for name in RULES if name not in _ON_REQUEST}
        for item, name in zip(items, names, strict=True):
            (chosen.add if item[0] == "+" else chosen.discard)(name)
        return cls(tuple(name for name in RULES if name in chosen))


DEFAULT = RuleSet(tuple(name for name in RULES if name not in _ON_REQUEST))
"""The standard rules."""

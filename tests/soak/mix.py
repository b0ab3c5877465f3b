"""What the bank does and how often, by weights; another behaviour is another entry. And at which step a name is ordered."""

# To a charge: G17 is a charge that is disputed later, and won or lost.
CHARGE_MIX = {
    "G1": 32, "G2": 6, "G3": 5, "G4": 4, "G5": 6, "G6": 6, "G7": 6, "G8": 6, "G9": 6,
    "G10": 6, "G11": 4, "G12": 4, "G13": 2, "G13c": 2, "G14": 3, "G15": 4, "G17w": 4, "G17l": 3,
}  # fmt: skip
OPEN_MIX = {"G1": 66, "G2": 5, "G5": 5, "G6": 5, "G7": 5, "G8": 5, "G9": 5, "G11": 4}
# To a refund: G16 is one that stays pending and then fails.
REFUND_MIX = {"G1": 40, "G5": 12, "G6": 12, "G8": 12, "G11": 6, "G16": 18}
LETTER_MIX = {
    "G1": 56, "G18-none": 12, "G18-twice": 6, "G18-thrice": 5, "G18-late": 6,
    "G18-forged": 4, "G18-stale": 4, "G18-stranger": 4, "G18-version": 3,
}  # fmt: skip
MIXES = {"charge": CHARGE_MIX, "open": OPEN_MIX, "refund": REFUND_MIX, "webhook": LETTER_MIX}
# What must be met, by the name that it is counted by: the step, and the bank's name.
MET = {
    **{name: ("charge", name) for name in CHARGE_MIX},
    **{f"{name}-refund" if name != "G16" else name: ("refund", name) for name in REFUND_MIX},
    **{name: ("webhook", name) for name in LETTER_MIX if name != "G1"},
}
# The lines of the bank's book by which a behaviour that was dealt at a step has come to its end.
_ENDS = {"charge": {"charge", "decline"}, "refund": {"refund", "refund_failed"}}
_ENDS_OF = {"G16": {"refund_failed"}, "G17w": {"dispute_won"}, "G17l": {"dispute_lost"}}
# Points that few payments pass are armed for more of those that do: a number here in place of the plan's.
RARE_POINTS = {
    "KP11": 1, "KP13": 10, "KP14": 2, "KP15": 2, "KP16": 2, "KP17": 4, "KP18": 4, "KP19": 2,
}  # fmt: skip
SAVED_CARDS = ("4242424242424242", "5555555555554444", "4000002760003184", "4000000000000341")


def met(dump: dict[str, list[dict[str, str]]]) -> list[str]:
    """The names, of MET, of all behaviours that came to their end in the bank's book, as often as they did."""
    kinds: dict[str, set[str]] = {}
    for line in dump["entries"]:
        kinds.setdefault(line["reference"], set()).add(line["kind"])
    names = {step_and_name: name for name, step_and_name in MET.items()}
    found = []
    for one in dump["dealt"]:
        stage, behaviour = one["stage"], one["behaviour"]
        ends = _ENDS_OF.get(behaviour, _ENDS.get(stage))
        ended = ends is None or not ends.isdisjoint(kinds.get(one["reference"], ()))
        if (stage, behaviour) in names and ended:
            found.append(names[stage, behaviour])
    return found

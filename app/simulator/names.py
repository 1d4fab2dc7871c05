"""Names of the simulated organisations."""

from typing import Final

PLACES: Final = (
    "Alder Brook", "Ash Hill", "Birch Vale", "Bridge End", "Castle Rock", "Cedar Point", "Clear Lake", "Copper Mill",
    "Deep Creek", "East Harbour", "Elm Park", "Fern Valley", "Fox Hollow", "Granite Bay", "Green Meadow", "Hazel Wood",
    "High Moor", "Iron Gate", "Juniper Ridge", "King's Ferry", "Lark Field", "Long Reach", "Maple Cross", "North Quay",
    "Oak Lane", "Old Orchard", "Pine Cliff", "Quarry Bank", "Red Barn", "River Bend", "Salt Marsh", "Silver Spring",
    "Stone Wharf", "Sun Terrace", "Thorn Common", "West Beacon", "Willow Ford",
)  # fmt: skip
KINDS: Final = (
    "Rowing Club", "Athletics", "Swimming School", "Tennis Academy", "Football Club", "Judo Centre", "Cycling Team",
    "Hockey Club", "Dance Studio", "Gymnastics", "Rugby Club", "Fencing Hall", "Climbing Club", "Running Group",
    "Handball Club", "Archery Range", "Sailing School", "Volleyball Club", "Boxing Gym", "Ski Team", "Golf Academy",
    "Basketball Club", "Riding School", "Triathlon Team", "Yoga House", "Squash Club", "Skating Rink",
)  # fmt: skip


def organization_id(number: int) -> str:
    """Id of the organisation with that number, from 0."""
    return f"org_{number + 1:03d}"


def organization_names(count: int) -> dict[str, str]:
    """Names of the first organisations by id, different for the first 999."""
    # 37 places and 27 kinds have no common divisor, so that pairs repeat after 999.
    return {
        organization_id(number): f"{PLACES[number % len(PLACES)]} {KINDS[number % len(KINDS)]}"
        for number in range(count)
    }

"""People for test_builds_identity: neighbourhoods of a few records that can't touch each other.

A record is called `neighbourhood/label`. Neighbourhoods share no e-mail, phone, address, postcode,
device or birth date, so what becomes of each is decided by its own records alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pandas as pd
from test_builds_oracle import CANARIES

LONG_AGO = "2023-01-10 09:00:00"
LAST_ORDER = "2024-06-18 12:00:00"
GIVEN = """
    Adam Berta Carlo Dora Emil Frida Gustav Hanna Igor Jutta Klaus Lena Moritz Nadja Oskar Paula
    Quirin Rosa Stefan Tilda Ulrich Vera Walter Xenia Yannick Zoe
""".split()  # noqa: SIM905
FAMILY = """
    Ahrens Busch Conrad Decker Ebert Fuchs Graf Huber Iser Jakobs Koller Lorenz Mohr Nowak Ohm
    Pohl Quast Riedel Sommer Thiele Unger Voss Weiler Xander Ysen Ziegler
""".split()  # noqa: SIM905
CAP = 12

# What two records differ in, though they say the same; and the rule that has to see it.
NUNEZ = "Ángéla Núñez"
SPELLINGS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "accents": (
        "name and e-mail",
        {"name": NUNEZ, "email": "nunez@accents.example"},
        {"name": "Angela Nunez", "email": "nunez@accents.example"},
    ),
    "combining accents": (
        "name and e-mail",
        {"name": "A\u0301nge\u0301la Nun\u0303ez", "email": "nunez@combined.example"},
        {"name": NUNEZ, "email": "nunez@combined.example"},
    ),
    "capitals": (
        "name and e-mail",
        {"name": "GÜNTHER VOß", "email": "GV@Capitals.Example"},
        {"name": "günther voss", "email": "gv@capitals.example"},
    ),
    "Cyrillic look-alikes": (
        "name and e-mail",
        {"name": "M\u0430ri\u0435tt\u0430 Lund", "email": "lund@cyrillic.example"},
        {"name": "Marietta Lund", "email": "lund@cyrillic.example"},
    ),
    "Greek look-alikes": (
        "name and e-mail",
        {"name": "M\u03bfnic\u03b1 Lund", "email": "lund@greek.example"},
        {"name": "Monica Lund", "email": "lund@greek.example"},
    ),
    "zero-width signs": (
        "name and e-mail",
        {"name": "Ru\u200bth\u200d Per\ufeffle", "email": "r\u2060perle@zero.example"},
        {"name": "Ruth Perle", "email": "rperle@zero.example"},
    ),
    "full-width letters": (
        "name and e-mail",
        {"name": "Ｒｕｔｈ Ｈａｕｓ", "email": "haus@full.example"},
        {"name": "Ruth Haus", "email": "haus@full.example"},
    ),
    "blanks": (
        "name and e-mail",
        {"name": "  Ruth \u00a0 Baum ", "email": " baum@blanks.example "},
        {"name": "Ruth Baum", "email": "baum@blanks.example"},
    ),
    "plus-addressing": (
        "name and e-mail",
        {"name": "Ruth Amsel", "email": "amsel+news+more@plus.example"},
        {"name": "Ruth Amsel", "email": "amsel@plus.example"},
    ),
    "nickname": (
        "name and e-mail",
        {"name": "Bill Barlow", "email": "barlow@nickname.example"},
        {"name": "William Barlow", "email": "barlow@nickname.example"},
    ),
    "initial": (
        "e-mail of one person",
        {"name": "R. Keil", "email": "keil@initial.example"},
        {"name": "Ruth Keil", "email": "keil@initial.example"},
    ),
    "phone in groups": (
        "name and phone",
        {"name": "Ruth Specht", "phone": "+49 (30) 7001-2345"},
        {"name": "Ruth Specht", "phone": "030 70012345"},
    ),
    "phone with 00": (
        "name and phone",
        {"name": "Ruth Dohle", "phone": "0049.30.7001.2399"},
        {"name": "Ruth Dohle", "phone": "+493070012399"},
    ),
    "apostrophes and hyphens": (
        "name and phone",
        {"name": "Anne-Marie O'Neill", "phone": "030 7001 2377"},
        {"name": "Anne Marie O’Neill", "phone": "030 7001 2377"},
    ),
    "street and postcode": (
        "name and address",
        {"name": "Ruth Meise", "street": "12 North Main Street", "postcode": "SW1A 1AA"},
        {"name": "Ruth Meise", "street": "12, N. Main St.", "postcode": "sw1a1aa"},
    ),
    "formats of a date": (
        "name and birth date",
        {"name": "Ruth Falke", "birth_date": "1980-03-14"},
        {"name": "Ruth Falke", "birth_date": "14.03.1980", "source_system": "support"},
    ),
    "swapped names": (
        "swapped names and birth date",
        {"name": "Ruth Habicht", "birth_date": "1980-07-23"},
        {"name": "Habicht Ruth", "birth_date": "1980-07-23"},
    ),
}

Row = dict[str, Any]
TABLES = ("customers", "orders", "events", "identity_links", "consents", "erasure_requests")


class Town:
    """Raw tables, filled row by row."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {name: [] for name in (*TABLES, "tickets")}
        self._births = 0

    def tables(self) -> dict[str, pd.DataFrame]:
        return {name: pd.DataFrame(rows, dtype="str") for name, rows in self.rows.items()}

    def birth(self) -> str:
        """A birth date that nobody else has."""
        self._births += 1
        return (date(1941, 1, 1) + timedelta(days=37 * self._births)).isoformat()

    def record(self, key: str, name: str | None = None, **fields: Any) -> None:
        """A CRM record; `name` is the given name and, after the last blank inside, the family's."""
        row: Row = {"record_id": key, "source_system": "crm", "created_at": LONG_AGO, **fields}
        if name is not None:
            given, _, family = name.strip().rpartition(" ")
            blanks = len(name) - len(name.lstrip())
            row |= {"given_name": " " * blanks + given, "family_name": family or None}
        self.rows["customers"].append(row)

    def add(self, table: str, reference: str | None, source: str = "crm", **fields: Any) -> None:
        """A row of another table; ids and times that nobody cares about are filled in."""
        number = str(len(self.rows[table]))
        usual: dict[str, Row] = {
            "orders": {"order_id": number, "ordered_at": "2024-06-01 12:00:00", "amount": "10.00"},
            "events": {
                "event_id": number,
                "event_type": "page_view",
                "occurred_at": "2024-06-01 12:00:00",
            },
            "identity_links": {"seen_at": "2024-06-01 12:00:00"},
            "consents": {"purpose": "segmentation", "recorded_at": "2024-06-01 12:00:00"},
            "erasure_requests": {"requested_at": "2024-06-01 12:00:00"},
            "tickets": {"ticket_id": number, "opened_at": "2024-06-01 12:00:00"},
        }
        named = {"source_system": source, "customer_ref": reference}
        self.rows[table].append({**usual[table], **named, **fields})


def town() -> Town:
    """Everybody."""
    made = Town()
    for settle in (
        _crowd,
        _hubs,
        _chains,
        _spellings,
        _families,
        _too_many,
        _devices,
        _references,
        _first_records,
        _latecomers,
        _decided,
        _survivors,
        _wishes,
        _forgotten,
        _canary,
        _guests,
    ):
        settle(made)
    return made


def _crowd(made: Town) -> None:
    """People with two records each, some with a slip: what the weights are learned from."""
    chance = random.Random(7)
    for number in range(150):
        given = chance.choice(GIVEN)
        family = chance.choice(FAMILY)
        fields: dict[str, str | None] = {
            "birth_date": made.birth(),
            "email": f"{number}@crowd.example",
            "phone": f"040 5{number:07}",
            "street": f"Gasse {number}",
            "postcode": f"6{number:04}",
        }
        made.record(f"crowd/{number}", f"{given} {family}", **fields)
        for changed in chance.sample(sorted(fields), chance.choice([0, 1, 1, 2])):
            fields[changed] = f"1{fields[changed]}" if changed in ("email", "street") else None
        if chance.random() < 0.3:
            given = _slip(given, chance)
        if chance.random() < 0.3:
            family = _slip(family, chance)
        again = f"crowd/{number}-again"
        made.record(again, f"{given} {family}", source_system="shop", **fields)
        made.add("orders", again, "shop", amount=f"{10 + number}.00")
    made.add("orders", "crowd/0", ordered_at=LAST_ORDER)


def _slip(name: str, chance: random.Random) -> str:
    place = chance.randrange(1, len(name))
    return name[:place] + chance.choice("aeioulnrst") + name[place + 1 :]


def stranger(number: int) -> str:
    """Full names, each once within 26 x 26; neighbours in number differ in all initials."""
    return f"{GIVEN[number % 26]} {FAMILY[(number * 7 + number // 26) % 26]}"


def _hubs(made: Town) -> None:
    for number in range(50):
        # Half say no birth date, so that it takes the e-mail being nobody's to keep them apart.
        birth_date = made.birth() if number % 2 else None
        made.record(
            f"info/{number}", stranger(number), email="info@firm.example", birth_date=birth_date
        )
        made.record(
            f"mailbox/{number}",
            stranger(number),
            email="friends@of.example",
            birth_date=birth_date and made.birth(),
        )
    for number in range(3):
        # One initial, so that only the name of the mailbox tells that it is a role.
        made.record(f"role/{number}", f"Anna {FAMILY[number]}", email="Sales+x@shop.example")
    for number in range(40):
        birth_date = made.birth() if number % 2 else None
        made.record(f"kiosk/{number}", stranger(number), birth_date=birth_date)
        made.add("identity_links", f"kiosk/{number}", device_id="kiosk", anonymous_id="cookie")
    for number in range(30):
        # Apart from what is blank they agree in the given name alone.
        blank = ["", " ", "\u200b", "-", "n/a"][number % 5]
        made.record(f"blank/{number}", f"Maria {FAMILY[number % 26]}", email=blank, phone=blank)
    for number in range(3):
        made.add("identity_links", f"blank/{number}", device_id=" ", anonymous_id="")
    for number in range(20):
        # Two of each name, without birth date.
        name = stranger(number % 10)
        made.record(f"shop_phone/{number}", name, phone="+49 30 555 0101")
    for number in range(20):
        given, family = GIVEN[number % 10], FAMILY[number // 2]
        made.record(f"flats/{number}", f"{given} {family}", street="Hochhaus 1", postcode="70001")


def _chains(made: Town) -> None:
    """Fifty records, each one edit from the next; the ends have nothing in common."""
    given, family, birth_date = "Alexandra", "Brechtold", made.birth()
    for number in range(50):
        common = {"email": "one@chain.example", "phone": "030 6001 0001"}
        made.record(f"given_chain/{number}", f"{given} Quitt", **common)
        made.record(
            f"family_chain/{number}",
            f"Konstantin {family}",
            birth_date=birth_date,
            email="two@chain.example",
        )
        given, family = _edited(given, number), _edited(family, number)


def _edited(name: str, number: int) -> str:
    """One letter replaced, another one each time; the initial stays."""
    place = 1 + number % (len(name) - 1)
    letter = "abcdefghijklmnopqrstuvwxyz"[(number * 11 + 5) % 26]
    if letter == name[place]:
        letter = "z"
    return name[:place] + letter + name[place + 1 :]


def _spellings(made: Town) -> None:
    for case, (_, left, right) in SPELLINGS.items():
        case = case.replace(" ", "_")
        made.record(f"spelling/{case}/left", **left)
        made.record(f"spelling/{case}/right", **{"source_system": "shop", **right})


def _families(made: Town) -> None:
    def household(name: str, members: Sequence[tuple[str, str | None, str | None]]) -> None:
        """Records that share family name, address, e-mail and landline."""
        number = len(made.rows["customers"])
        for label, given, birth_date in members:
            made.record(
                f"{name}/{label}",
                given_name=given,
                family_name=name.capitalize(),
                birth_date=birth_date,
                email=f"home@{name}.example",
                phone=f"030 80{number:06}",
                street=f"{name.capitalize()} Lane 3",
                postcode=f"{number:05}",
            )

    household("spouses", [("a", "Hanna", None), ("b", "Oskar", None)])
    parents = [("father", "Martin", "1951-02-03"), ("mother", "Ulrike", None)]
    household("parents", [*parents, ("son", "Tobias", "1988-09-27"), ("daughter", "Lea", None)])
    household("juniors", [("father", "Georg", "1948-04-01"), ("son", "Georg", "1979-04-01")])
    household("twins", [("a", "Tilda", "1977-11-30"), ("b", "Rosemarie", "1977-11-30")])
    household("siblings", [("a", "Jan", "1990-02-13"), ("b", "Jana", "1993-11-08")])
    household("alike_twins", [("a", "Marie", "1969-05-19"), ("b", "Maria", "1969-05-19")])
    household("alike_undated", [("a", "Tim", None), ("b", "Tom", None)])
    household("shared", [("a", "Bruno", None), ("b", "Carla", None), ("nameless", None, None)])
    household("initials", [("a", "Bruno", None), ("b", "Carla", None), ("initial", "B.", None)])
    for label in ("a", "b"):
        # Neither e-mail nor given name.
        made.record(
            f"landline/{label}",
            family_name="Landline",
            phone="030 8100 0000",
            street="Ring 9",
            postcode="90009",
        )


def _too_many(made: Town) -> None:
    """One name, birth date and e-mail: as many records as the cap allows, and one more."""
    for name, count in (("full", CAP), ("overfull", CAP + 1)):
        birth_date = made.birth()
        for number in range(count):
            made.record(
                f"{name}/{number}",
                f"Norbert {name.capitalize()}",
                birth_date=birth_date,
                email=f"norbert@{name}.example",
            )


def _devices(made: Town) -> None:
    """Log-ins are all that the records of a neighbourhood have in common, beside a given name."""
    for name, other, link in (
        ("device", "Vera", {"device_id": "phone-of-vera"}),
        ("cookie", "Vera", {"anonymous_id": "cookie-of-vera"}),
        ("lent_device", "Karl", {"device_id": "tablet-of-vera"}),
        ("other_device", "Vera", {}),
    ):
        made.record(f"{name}/crm", "Vera Moss")
        made.record(f"{name}/shop", f"{other} Farn", source_system="shop")
        made.add("identity_links", f"{name}/crm", **(link or {"device_id": "one-of-two"}))
        made.add("identity_links", f"{name}/shop", "shop", **(link or {"device_id": "two-of-two"}))


def _references(made: Town) -> None:
    """References without a CRM record, and one that is the id of a record."""
    made.add("orders", "only/order")
    made.add("events", "only/event", "web")
    made.add("identity_links", "only/link", "web", device_id="only-device")
    # The same device without a name is no evidence of a person.
    made.add("orders", "only/same_device", "web")
    made.add("identity_links", "only/same_device", "web", device_id="only-device")
    made.record("named/record", "Rita Solo", customer_ref="named-card")
    made.add("orders", "named/record")


def _first_records(made: Town) -> None:
    """Groups of two records by (created_at, loaded_at) of each; the first one names the person."""
    for name, (crm, shop) in {
        "shop_is_first": (("2023-05-01 10:00:00", None), ("2023-02-01 10:00:00", None)),
        "crm_is_first": (("2023-02-01 10:00:00", None), ("2023-05-01 10:00:00", None)),
        "a_tie": (("2023-02-01 10:00:00", None), ("2023-02-01 10:00:00", None)),
        "undated": ((None, None), ("2024-02-01 10:00:00", None)),
        "loaded": ((None, "2023-02-02 10:00:00"), ("2023-02-03 10:00:00", None)),
        "zoned": (("2023-02-02T00:30:00+01:00", None), ("2023-02-01 23:45:00", None)),
    }.items():
        for system, (created_at, loaded_at) in (("crm", crm), ("shop", shop)):
            made.record(
                f"first/{name}/{system}",
                "Ines Wolf",
                source_system=system,
                created_at=created_at,
                loaded_at=loaded_at,
                email=f"ines@{name.replace('_', '-')}.example",
            )
    # An order before the first record of the CRM.
    made.record(
        "first/ordered/crm",
        "Ines Luchs",
        created_at="2023-12-20 10:00:00",
        email="ines@ordered.example",
    )
    made.record(
        "first/ordered/shop",
        "Ines Luchs",
        source_system="shop",
        created_at="2024-01-01 10:00:00",
        email="ines@ordered.example",
    )
    made.add("orders", "first/ordered/shop", "shop", ordered_at="2023-12-01 10:00:00")


def _latecomers(made: Town) -> None:
    """`bridge/late` comes in April and joins two; see `later` for the others."""
    made.record("bridge/old", "Ida Falk", email="ida@bridge.example")
    made.record(
        "bridge/young",
        "Ida Falk",
        source_system="shop",
        created_at="2023-08-08 08:00:00",
        phone="030 8200 0001",
    )
    made.record(
        "bridge/late",
        "Ida Falk",
        source_system="shop",
        created_at="2024-04-15 08:00:00",
        email="ida@bridge.example",
        phone="030 8200 0001",
    )
    made.record("later/one", "Olga Later", email="olga@later.example")
    made.record("older/one", "Olga Older", email="olga@older.example")
    made.record("joined/old", "Olga Joined", email="olga@joined.example")
    made.record(
        "joined/young", "Olga Joined", created_at="2023-08-08 08:00:00", phone="030 8300 0001"
    )


def later() -> list[Row]:
    """Records that a later delivery brings."""
    made = Town()
    june = {"source_system": "shop", "created_at": "2024-06-10 08:00:00"}
    made.record("later/two", "Olga Later", email="olga@later.example", **june)
    older = {"source_system": "shop", "created_at": "2020-06-10 08:00:00"}
    made.record("older/two", "Olga Older", email="olga@older.example", **older)
    contact = {"email": "olga@joined.example", "phone": "030 8300 0001"}
    made.record("joined/late", "Olga Joined", **contact, **june)
    return made.rows["customers"]


DECISIONS = (
    # Strangers that contradict each other in everything.
    ("decided/same/a", "decided/same/b", "same"),
    # Equal in everything.
    ("decided/apart/a", "decided/apart/b", "not_same"),
    # One record each of two couples of records.
    ("decided/across/a1", "decided/across/b1", "same"),
    ("decided/contradicting/a1", "decided/contradicting/b1", "same"),
    # Both are one person with a third.
    ("decided/between/a", "decided/between/c", "not_same"),
    # One person by way of a third, and yet not the same.
    ("decided/against/a", "decided/against/b", "same"),
    ("decided/against/b", "decided/against/c", "same"),
    ("decided/against/a", "decided/against/c", "not_same"),
)


def _decided(made: Town) -> None:
    made.record("decided/same/a", "Nils Ast", birth_date=made.birth())
    made.record("decided/same/b", "Petra Zweig", birth_date=made.birth())
    contact = {"email": "nils@apart.example", "birth_date": made.birth()}
    for label in "ab":
        made.record(f"decided/apart/{label}", "Nils Stamm", **contact)
    for side in "ab":
        for number in (1, 2):
            contact = {"email": f"{side}@across.example"}
            made.record(f"decided/across/{side}{number}", "Nils Blatt", **contact)
            contact = {"email": f"{side}@contradicting.example"}
            name = "Nils Rinde" if side == "a" else "Petra Rinde"
            made.record(f"decided/contradicting/{side}{number}", name, **contact)
    contact = {"email": "nils@between.example", "birth_date": made.birth()}
    for label in "abc":
        made.record(f"decided/between/{label}", "Nils Wurzel", **contact)
        made.record(f"decided/against/{label}", stranger(ord(label)), birth_date=made.birth())


def _survivors(made: Town) -> None:
    """What the CRM knows is older; neither record knows all."""
    contact = {"email": "rosa@survivors.example", "name": "Rosa Engel"}
    made.record(
        "survivors/crm",
        **contact,
        updated_at="2023-06-01 10:00:00",
        city="Bonn",
        region="west",
        gender="f",
    )
    made.record(
        "survivors/shop",
        **contact,
        source_system="shop",
        updated_at="2024-02-01 10:00:00",
        city="Köln",
        age_band="30-39",
        gender=" ",
    )


def _wishes(made: Town) -> None:
    """Linked people, of whom one record alone says something; orders come under the other."""
    for name in ("withdrawn", "granted", "staff"):
        contact = {"email": f"udo@{name}.example", "name": "Udo Wunsch"}
        made.record(f"{name}/crm", **contact)
        is_internal = "true" if name == "staff" else None
        made.record(f"{name}/shop", source_system="shop", is_internal=is_internal, **contact)
        made.add("orders", f"{name}/shop", "shop")
        made.add("orders", f"{name}/crm")
    made.add("consents", "withdrawn/shop", "shop", granted="true", recorded_at="2024-01-01")
    made.add("consents", "withdrawn/crm", granted="false", recorded_at="2024-02-01")
    made.add("consents", "granted/shop", "shop", granted="false", recorded_at="2024-01-01")
    made.add("consents", "granted/crm", granted="true", recorded_at="2024-02-01")


# Each request names the person in another way: source_system and reference.
REQUESTS = {
    "by_card": ("crm", "forgotten-card"),
    "by_record": ("crm", "forgotten/by_record/crm"),
    "by_shop": ("shop", "forgotten/by_shop/shop"),
    "by_order": ("web", "forgotten/by_order"),
    "by_link": ("web", "forgotten/by_link"),
    "by_mail": ("web", "forgotten@mail.example"),
    "by_address": ("newsletter", "Vergissmeinnicht@by-address.example"),
}
FORGOTTEN = "Vergissmeinnicht"


def _forgotten(made: Town) -> None:
    for name in ("by_card", "by_record", "by_shop", "by_address"):
        contact = {"email": f"{FORGOTTEN}@{name.replace('_', '-')}.example"}
        contact |= {"name": f"Jost {FORGOTTEN}", "birth_date": made.birth()}
        card = {"by_card": "forgotten-card", "by_record": "forgotten-other-card"}.get(name)
        made.record(f"forgotten/{name}/crm", customer_ref=card, **contact)
        made.record(f"forgotten/{name}/shop", source_system="shop", **contact)
        made.add("orders", contact["email"].lower(), "web")
        references = [("crm", card or f"forgotten/{name}/crm"), ("shop", f"forgotten/{name}/shop")]
        for system, reference in references:
            for table in ("orders", "events"):
                made.add(table, reference, system)
            made.add("consents", reference, system, granted="true")
            made.add("identity_links", reference, system, device_id=f"device-of-{name}")
            made.add("tickets", reference, system, body=f"Yours, {FORGOTTEN}")
    made.add("orders", "forgotten/by_order", "web")
    made.add("orders", "forgotten@mail.example", "web")
    made.add("identity_links", "forgotten/by_link", "web", device_id="forgotten-device")
    for system, reference in REQUESTS.values():
        made.add("erasure_requests", reference, system)

    # The wife and the father of somebody forgotten, who share all with him, and have two records.
    shared = {
        "email": "home@spared.example",
        "phone": "030 8400 0000",
        "street": "Spared Lane 3",
        "postcode": "84000",
    }
    wife, father, son = made.birth(), "1942-06-06", "1973-06-06"
    for system in ("crm", "shop"):
        about = {"source_system": system, **shared}
        made.record(f"spared/wife/{system}", "Wanda Spared", birth_date=wife, **about)
        made.record(f"spared/father/{system}", "Jost Spared", birth_date=father, **about)
        made.record(f"forgotten/son/{system}", "Jost Spared", birth_date=son, **about)
        for name in ("spared/wife", "spared/father", "forgotten/son"):
            made.add("orders", f"{name}/{system}", system)
            made.add("identity_links", f"{name}/{system}", system, device_id="device-of-spared")
    made.add("erasure_requests", "forgotten/son/crm")


def _canary(made: Town) -> None:
    """One person with two records, and a namesake who is refused, so that all is looked at."""
    contact = {
        "name": f"{CANARIES['given name']} {CANARIES['family name']}",
        "email": CANARIES["e-mail"],
        "phone": CANARIES["phone"],
        "street": CANARIES["street"],
        "postcode": "14711",
    }
    birth_date = CANARIES["birth date"]
    made.record("canary/crm", birth_date=birth_date, **contact)
    made.record("canary/shop", source_system="shop", birth_date=birth_date, **contact)
    made.record("canary/junior", birth_date="1964-07-03", **contact)
    made.record("canary/unread", "Rita Vogt", birth_date=CANARIES["name as birth date"])
    made.record("canary/card", "Rita Fink", customer_ref=CANARIES["phone as customer_ref"])
    made.add("orders", CANARIES["e-mail as customer_ref"])
    made.add("orders", CANARIES["e-mail"].upper(), "web")
    made.add("orders", "canary/crm", amount=CANARIES["e-mail as amount"])
    made.add("orders", "canary/crm", status=CANARIES["e-mail as status"])
    made.add("orders", "canary/crm", order_id=CANARIES["e-mail as order_id"])
    made.add("tickets", "canary/crm", body=f"Yours, {CANARIES['name in a ticket']}")


def _guests(made: Town) -> None:
    """Orders and wishes by e-mail; the record of the CRM has another reference, if there is one."""
    made.record("guest/crm", "Gesa Gast", email="Gesa@Guest.example")
    for system, address, amount in (
        ("web", "gesa@guest.example", "50.00"),
        ("shop", "GESA+shop@guest.example", "20.00"),
    ):
        made.add("orders", address, system, amount=amount)
    made.record("guest_withdrawn/shop", "Gesa Weg", source_system="shop", email="weg@guest.example")
    made.add("orders", "guest_withdrawn/shop", "shop")
    made.add("consents", "Weg@Guest.example", "newsletter", granted="false")
    for given in ("Bruno", "Carla"):
        made.record(f"guest_home/{given}", f"{given} Heim", email="home@guest.example")
    made.record("guest_father/crm", "Georg Erb", email="erb@guest.example", birth_date="1947-04-01")
    made.record("guest_son/crm", "Georg Erb", email="erb@guest.example", birth_date="1978-04-01")
    for address in ("home@guest.example", "erb@guest.example", "friends@of.example"):
        made.add("orders", address, "web")
        made.add("consents", address, "newsletter", granted="false")
    for system in ("web", "shop"):
        made.add("orders", "info@firm.example", system)
        made.add(
            "orders", "Nobody@Guest.example" if system == "web" else "nobody@guest.example", system
        )

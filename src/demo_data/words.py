"""Words that people are made of: names with their frequencies, nicknames, places.

Names and streets come from Faker's US tables (weights follow the US census), so that common names
repeat among different people as they do in life. No value can belong to anybody: e-mail domains
are those that RFC 2606 reserves, and no area code of the form N9X has ever been assigned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from faker.providers.person.en_US import Provider as _Names

EMAIL_DOMAINS = ("mail.example.com", "example.com", "example.org", "post.example.net")
EMAIL_DOMAIN_SHARES = (0.45, 0.3, 0.15, 0.1)

STREET_SUFFIXES: Mapping[str, str] = {
    "Street": "St",
    "Avenue": "Ave",
    "Road": "Rd",
    "Drive": "Dr",
    "Lane": "Ln",
    "Court": "Ct",
    "Place": "Pl",
    "Boulevard": "Blvd",
}

# City, state, first three digits of its postcodes.
PLACES = (
    ("New York", "NY", "100"),
    ("Brooklyn", "NY", "112"),
    ("Buffalo", "NY", "142"),
    ("Rochester", "NY", "146"),
    ("Albany", "NY", "122"),
    ("Newark", "NJ", "071"),
    ("Trenton", "NJ", "086"),
    ("Philadelphia", "PA", "191"),
    ("Pittsburgh", "PA", "152"),
    ("Boston", "MA", "021"),
    ("Worcester", "MA", "016"),
    ("Providence", "RI", "029"),
    ("Hartford", "CT", "061"),
    ("Baltimore", "MD", "212"),
    ("Washington", "DC", "200"),
    ("Richmond", "VA", "232"),
    ("Charlotte", "NC", "282"),
    ("Raleigh", "NC", "276"),
    ("Atlanta", "GA", "303"),
    ("Miami", "FL", "331"),
    ("Tampa", "FL", "336"),
    ("Cleveland", "OH", "441"),
    ("Columbus", "OH", "432"),
    ("Cincinnati", "OH", "452"),
    ("Detroit", "MI", "482"),
    ("Indianapolis", "IN", "462"),
    ("Chicago", "IL", "606"),
    ("Milwaukee", "WI", "532"),
    ("Minneapolis", "MN", "554"),
    ("Saint Louis", "MO", "631"),
    ("Nashville", "TN", "372"),
    ("New Orleans", "LA", "701"),
    ("Dallas", "TX", "752"),
    ("Houston", "TX", "770"),
    ("San Antonio", "TX", "782"),
    ("Denver", "CO", "802"),
    ("Phoenix", "AZ", "850"),
    ("Seattle", "WA", "981"),
    ("San Diego", "CA", "921"),
    ("Los Angeles", "CA", "900"),
)

# Common English nicknames; the second group is known to few lists.
NICKNAMES: Mapping[str, tuple[str, ...]] = {
    "Alexander": ("Alex",),
    "Alexandra": ("Alex",),
    "Allison": ("Allie",),
    "Amanda": ("Mandy",),
    "Andrew": ("Andy", "Drew"),
    "Angela": ("Angie",),
    "Anthony": ("Tony",),
    "Barbara": ("Barb",),
    "Benjamin": ("Ben",),
    "Catherine": ("Cathy", "Cate"),
    "Charles": ("Charlie", "Chuck"),
    "Christina": ("Tina", "Chris"),
    "Christine": ("Chris", "Chrissy"),
    "Christopher": ("Chris",),
    "Cynthia": ("Cindy",),
    "Daniel": ("Dan", "Danny"),
    "David": ("Dave",),
    "Deborah": ("Debbie", "Deb"),
    "Donald": ("Don",),
    "Douglas": ("Doug",),
    "Edward": ("Ed", "Eddie"),
    "Elizabeth": ("Liz", "Beth", "Betty"),
    "Gregory": ("Greg",),
    "Jacob": ("Jake",),
    "Jacqueline": ("Jackie",),
    "James": ("Jim", "Jimmy"),
    "Jeffrey": ("Jeff",),
    "Jennifer": ("Jen", "Jenny"),
    "Jessica": ("Jess",),
    "John": ("Johnny", "Jack"),
    "Jonathan": ("Jon",),
    "Joseph": ("Joe", "Joey"),
    "Joshua": ("Josh",),
    "Katherine": ("Kate", "Kathy"),
    "Kathleen": ("Kathy",),
    "Kenneth": ("Ken",),
    "Kimberly": ("Kim",),
    "Lawrence": ("Larry",),
    "Margaret": ("Maggie", "Meg"),
    "Matthew": ("Matt",),
    "Melissa": ("Missy",),
    "Michael": ("Mike",),
    "Michelle": ("Shelly",),
    "Nathan": ("Nate",),
    "Nicholas": ("Nick",),
    "Nicole": ("Nikki",),
    "Pamela": ("Pam",),
    "Patricia": ("Pat", "Patty"),
    "Patrick": ("Pat",),
    "Peter": ("Pete",),
    "Philip": ("Phil",),
    "Rebecca": ("Becky",),
    "Richard": ("Rick", "Dick"),
    "Robert": ("Bob", "Rob"),
    "Ronald": ("Ron",),
    "Samantha": ("Sam",),
    "Samuel": ("Sam",),
    "Sandra": ("Sandy",),
    "Stephanie": ("Steph",),
    "Stephen": ("Steve",),
    "Steven": ("Steve",),
    "Susan": ("Sue",),
    "Theresa": ("Terry",),
    "Thomas": ("Tom",),
    "Timothy": ("Tim",),
    "Victoria": ("Vicky",),
    "Vincent": ("Vince",),
    "William": ("Bill", "Will"),
    "Zachary": ("Zach",),
}
RARE_NICKNAMES: Mapping[str, tuple[str, ...]] = {
    "Ann": ("Nan",),
    "Dorothy": ("Dot",),
    "Edward": ("Ned",),
    "Elizabeth": ("Libby", "Elsie"),
    "Ellen": ("Nell",),
    "Henry": ("Hank",),
    "James": ("Jem",),
    "Margaret": ("Peggy", "Daisy"),
    "Martha": ("Patsy",),
    "Mary": ("Polly", "Molly"),
    "Sarah": ("Sally", "Sadie"),
    "Theodore": ("Ned",),
    "William": ("Liam",),
}

# How half of the people with such a name spell it.
ACCENTED: Mapping[str, str] = {
    "Andre": "André",
    "Angel": "Ángel",
    "Chloe": "Chloé",
    "Jesus": "Jesús",
    "Jose": "José",
    "Maria": "María",
    "Monica": "Mónica",
    "Renee": "Renée",
    "Zoe": "Zoë",
    "Chavez": "Chávez",
    "Diaz": "Díaz",
    "Garcia": "García",
    "Gomez": "Gómez",
    "Gonzalez": "González",
    "Hernandez": "Hernández",
    "Jimenez": "Jiménez",
    "Lopez": "López",
    "Martinez": "Martínez",
    "Munoz": "Muñoz",
    "Perez": "Pérez",
    "Ramirez": "Ramírez",
    "Rodriguez": "Rodríguez",
    "Sanchez": "Sánchez",
    "Vazquez": "Vázquez",
}


def weighted(table: Mapping[str, float]) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float64]]:
    """Words and their shares, which add up to 1."""
    words = np.array(list(table), dtype=object)
    weights = np.array(list(table.values()), dtype=float)
    return words, weights / weights.sum()


FEMALE_NAMES = weighted(_Names.first_names_female)
MALE_NAMES = weighted(_Names.first_names_male)
FAMILY_NAMES = weighted(_Names.last_names)

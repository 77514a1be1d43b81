"""Generated raw data with the truth about it: a companion to the demo's panel, or any size alone.

Two things are generated from the same parts, and every row is flagged `is_synthetic`:

- `demo_companion`: for the households of the demo's panel, CRM records of several systems, web
  events, log-ins, consents, erasure requests, tickets and experiments. Orders stay the panel's own.
- `generate`: a population of any size with orders at basket grain.

Planted properties and their rates: errors and duplicates in `rates.Rates` (light and heavy),
systems in `rates.SYSTEMS`, families, juniors, twins, shared mailboxes and internal accounts in
`rates.Households`, withdrawn consents and erasures in `rates.Wishes`; sessions, kiosks, bots, late
and repeated events in `web`; topics and moods in `feedback`; effects in `experiments`; histories,
and a month in which one region buys nothing, in `orders`. Birth dates are written `1980-03-14` by
panel, store and crm, `03/14/1980` by shop and `14.03.1980` by support.

The truth goes to a folder of its own, which no model reads:

- records: source_system, record_id, person. The panel's own rows of demographics are not in it:
  they carry their household's customer_ref and need no linking.
- pairs: both records of each true pair, is_linkable, and what joins them; see `truth`.
- people: person, household, role, and at scale stopped: when the person stopped buying for good.
- tickets: ticket_id, topic, sentiment. experiments: experiment_id, metric, effect.
- drift, at scale: attribute, value, first_day and end_day of the month without orders.

Nothing is generated about a panel household that the panel itself could hold: no age band, income
band, gender or household size. If the panel has the age band, the birth date fits it. No household
of the panel withdraws a consent, asks for erasure or is an internal account.
"""

from demo_data.populations import Panel, demo_companion, generate

__all__ = ["Panel", "demo_companion", "generate"]

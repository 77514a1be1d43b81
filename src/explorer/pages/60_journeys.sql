-- table: transitions
-- The transitions out of a state add up to what probability is a share of, and those of a scheme's segments to those of all.
select
    journey_transitions.segment_key,
    journey_transitions.from_state,
    journey_transitions.to_state,
    concat(journey_transitions.segment_key, '|', journey_transitions.from_state) as total_1,
    case
        when segments.is_exclusive
            then concat(segments.scheme, '|', journey_transitions.from_state, '|', journey_transitions.to_state)
    end as total_2,
    shown_steps.customers is null
    or (journey_transitions.segment_key <> 'all' and shown_sizes.customers is null) as is_secret,
    journey_transitions.transitions as customers,
    journey_transitions.probability
from journey_transitions
left join shown_sizes
    on
        journey_transitions.segment_key = shown_sizes.segment_key
        and shown_sizes.period = (select max(period) from shown_sizes)
left join shown_steps
    on
        journey_transitions.from_state = shown_steps.from_state
        and journey_transitions.to_state = shown_steps.to_state
left join segments
    on journey_transitions.segment_key = segments.segment_key
order by journey_transitions.segment_key, journey_transitions.from_state, journey_transitions.to_state

-- table: paths
with ranked as (
    select
        journey_paths.*,
        row_number() over (
            partition by journey_paths.segment_key
            order by journey_paths.sessions desc, journey_paths.path
        ) as place
    from journey_paths
    left join shown_sizes
        on
            journey_paths.segment_key = shown_sizes.segment_key
            and shown_sizes.period = (select max(period) from shown_sizes)
    where
        journey_paths.is_closed
        and (journey_paths.segment_key = 'all' or shown_sizes.customers is not null)
)

select
    segment_key,
    path,
    sessions as customers,
    support
from ranked
where place <= 15
order by segment_key, place

-- table: topics
select
    topic,
    string_agg(term, ', ' order by rank) as terms,
    max(tickets) as customers,
    max(ticket_share) as ticket_share
from topics
group by topic
order by max(tickets) desc, topic

-- Frequent event types in order within a session, gaps allowed, counted as in PrefixSpan (Pei et al. 2001): a session
-- supports a path once, however often it contains it. Paths grow from the left. Only the earliest end of a path in each
-- session is kept, since whatever follows a later end also follows the earliest; in page_view, search, page_view, purchase
-- the path page_view ends at stop 1, and page_view > purchase at stop 4.
--
-- A path that is not frequent in any segment cannot become frequent by growing, so it is dropped. Sessions with the same
-- stops are counted together.

{% set limits = setting('journey_paths') -%}
{% set lengths = range(1, limits.max_length + 1) -%}

with events as (
    select * from {{ ref('int_facts__events') }}
),

event_states as (
    select * from {{ ref('int_staging__event_states') }}
),

memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

current_period as (
    select as_of
    from {{ ref('int_periods') }}
    where is_current
),

known as {{ not_materialized() }} (
    select events.*
    from events
    inner join current_period
        on events.attributed_from < current_period.as_of and events.attributed_until >= current_period.as_of
),

-- Keys are hashes, so the customers with the lowest keys are a random sample, the same in every build.
sampled_sessions as (
    select
        customer_key,
        source_system,
        session_id
    from known
    group by customer_key, source_system, session_id
    order by customer_key, source_system, session_id
    limit {{ limits.sample_sessions }}
),

numbered_stops as (
    select
        known.customer_key,
        {{ quick_hash(['known.customer_key', 'known.source_system', 'known.session_id']) }} as session_key,
        event_states.state,
        row_number() over (
            partition by known.customer_key, known.source_system, known.session_id
            order by known.position
        ) as position
    from known
    inner join event_states on known.event_type = event_states.event_type
    inner join sampled_sessions
        on
            known.customer_key = sampled_sessions.customer_key
            and known.source_system = sampled_sessions.source_system
            and known.session_id = sampled_sessions.session_id
),

sessions as (
    select
        customer_key,
        session_key,
        bit_xor({{ quick_hash(['position', 'state']) }}) as sequence_key
    from numbered_stops
    where position <= {{ limits.session_events }}
    group by customer_key, session_key
),

examples as (
    select
        sequence_key,
        min(session_key) as session_key
    from sessions
    group by sequence_key
),

stops as (
    select
        examples.sequence_key,
        numbered_stops.position,
        numbered_stops.state
    from examples
    inner join numbered_stops on examples.session_key = numbered_stops.session_key
    where numbered_stops.position <= {{ limits.session_events }}
),

segment_sessions as (
    select
        memberships.segment_key,
        sessions.sequence_key,
        count(*) as sessions
    from sessions
    inner join memberships on sessions.customer_key = memberships.customer_key
    inner join current_period on memberships.as_of = current_period.as_of
    group by memberships.segment_key, sessions.sequence_key
    union all
    select
        'all' as segment_key,
        sequence_key,
        count(*) as sessions
    from sessions
    group by sequence_key
),

totals as (
    select
        segment_key,
        sum(sessions) as sessions
    from segment_sessions
    group by segment_key
),

-- The earliest end of each path of one state, then of two, and so on.
ends_1 as (
    select
        sequence_key,
        state as path,
        min(position) as position
    from stops
    group by sequence_key, state
),

{% for length in lengths -%}
frequent_{{ length }} as (
    select
        segment_sessions.segment_key,
        ends_{{ length }}.path,
        {{ length }} as length,
        sum(segment_sessions.sessions) as sessions,
        max(totals.sessions) as all_sessions
    from ends_{{ length }}
    inner join segment_sessions on ends_{{ length }}.sequence_key = segment_sessions.sequence_key
    inner join totals on segment_sessions.segment_key = totals.segment_key
    group by segment_sessions.segment_key, ends_{{ length }}.path
    having
        sum(segment_sessions.sessions)
        >= greatest({{ limits.min_sessions }}, {{ limits.min_support }} * max(totals.sessions))
),

{% if not loop.last -%}
ends_{{ length + 1 }} as (
    select
        stops.sequence_key,
        ends_{{ length }}.path || ' > ' || stops.state as path,
        min(stops.position) as position
    from ends_{{ length }}
    inner join stops
        on
            ends_{{ length }}.sequence_key = stops.sequence_key
            and ends_{{ length }}.position < stops.position
    where ends_{{ length }}.path in (select frequent_{{ length }}.path from frequent_{{ length }})
    group by stops.sequence_key, ends_{{ length }}.path, stops.state
),

{% endif -%}
{% endfor -%}

frequent as (
    {% for length in lengths -%}
    select * from frequent_{{ length }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

positions as (
    {% for length in lengths -%}
    select {{ length }} as position
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- Every path shortened by one state, with the sessions of the longer path.
pieces as (
    select
        frequent.segment_key,
        concat_ws(
            ' > '
            {%- for number in lengths %},
            case
                when positions.position <> {{ number }} and frequent.length >= {{ number }}
                    then {{ dbt.split_part('frequent.path', "' > '", number) }}
            end
            {%- endfor %}
        ) as path,
        frequent.sessions
    from frequent
    inner join positions on frequent.length >= positions.position
),

shortened as (
    select
        segment_key,
        path,
        max(sessions) as sessions
    from pieces
    group by segment_key, path
),

final as (
    select
        -- ids
        frequent.segment_key,
        frequent.path,

        -- numbers
        cast(frequent.length as integer) as length,
        cast(frequent.sessions as bigint) as sessions,
        {{ rounded('frequent.sessions / cast(frequent.all_sessions as double)') }} as support,

        -- flags
        coalesce(frequent.sessions > shortened.sessions, true) as is_closed
    from frequent
    left join shortened
        on
            frequent.segment_key = shortened.segment_key
            and frequent.path = shortened.path
    where frequent.length >= {{ limits.min_length }}
)

select * from final

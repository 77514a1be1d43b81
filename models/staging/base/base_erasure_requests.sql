-- Every raw request to be forgotten and its one fate. A request with an unreadable date still counts.

with source as (
    select * from {{ source('input', 'erasure_requests') }}
),

typed as (
    select
        -- ids
        coalesce({{ to_key('source_system') }}, 'default') as source_system,
        {{ safe_reference(to_key('customer_ref')) }} as customer_ref,

        -- dates
        {{ to_instant('requested_at') }} as requested_at,
        {{ has_inexact_key(['customer_ref']) }} as has_inexact_key
    from source
),

judged as (
    select
        *,
        case
            when has_inexact_key then 'inexact_key'
            when customer_ref is null then 'missing_customer_ref'
        end as failed_rule
    from typed
),

ranked as (
    select
        *,
        row_number() over (partition by customer_ref, source_system order by requested_at nulls last) as position
    from judged
)

select
    source_system,
    customer_ref,
    requested_at,
    failed_rule,
    cast(null as {{ dbt.type_string() }}) as masked_value,
    case
        when failed_rule is not null then 'quarantined'
        when position = 1 then 'loaded'
        else 'deduplicated'
    end as fate
from ranked

-- One row per table with withdrawals or erasure requests by an e-mail address that another customer shares, whom the request
-- does not reach.
--
-- The address of a family, of a team or of a father and a son of one name is no evidence of one person. Such a request means
-- the customer who orders by it in its own system, if there is one.

with consents as (
    select * from {{ ref('stg_consents') }}
),

erasure_requests as (
    select * from {{ ref('stg_erasure_requests') }}
),

records as (
    select * from {{ ref('int_identity__records') }}
),

identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

customer_references as (
    select * from {{ ref('int_identity__references') }}
),

requests as (
    select
        'consents' as source_table,
        source_system,
        customer_ref
    from consents
    where not granted
    union distinct
    select
        'erasure_requests' as source_table,
        source_system,
        customer_ref
    from erasure_requests
),

unreached as (
    select distinct
        requests.source_table,
        requests.source_system,
        requests.customer_ref
    from requests
    inner join identifiers on requests.customer_ref = identifiers.email_key
    inner join records on identifiers.record_key = records.record_key
    left join customer_references
        on
            requests.source_system = customer_references.source_system
            and requests.customer_ref = customer_references.customer_ref
    where records.customer_key <> coalesce(customer_references.customer_key, -1)
)

select
    source_table,
    'requests_by_shared_email' as check_name,
    count(*) as value
from unreached
group by source_table

-- Var require_hash_key: with the key in the source code anyone can hash a list of addresses and look them up. References that need
-- no hash and synthetic records need no key.
{{ config(severity='error') }}

with records as (
    select * from {{ ref('int_identity__records') }}
),

hashed as (
    select count(distinct customer_ref) as hash_count
    from records
    where
        not coalesce(is_synthetic, false)
        and {{ regex_matches('customer_ref', '^[eh]-[0-9a-f]{32}$') }}
)

select
    {{ counted('hash_count', 'customer_ref') }} || ' that may identify a person, such as an e-mail address, would be'
    || ' published under the demo key, which is public. Set the environment variable SEGMENTATION_HASH_KEY to a'
    || ' secret and keep it (another key gives other ids): export SEGMENTATION_HASH_KEY=$(openssl rand -hex 32).'
    || ' Var require_hash_key: false publishes all the same' as finding
from hashed
where
    hash_count > 0
    and {{ setting('require_hash_key') }}
    and not {{ has_own_hash_key() }}

-- One row per sampled record that was known at the refit date: the identifiers that weights are estimated from.
-- sample_hash decides whether a stored fit is reused.
--
-- The sample has to be random: records drawn by name or date would all agree on it.

{% set compared = ['given_name', 'family_name', 'birth_date', 'email', 'phone', 'address', 'postcode'] -%}

with identifiers as (
    select * from {{ ref('int_identity__identifiers') }}
),

calendar as (
    select * from {{ ref('int_staging__calendar') }}
),

known_records as (
    select
        calendar.linkage_fitted_as_of as as_of,
        identifiers.*
    from identifiers
    inner join calendar
        on
            calendar.is_current
            and (
                identifiers.first_recorded_on < calendar.linkage_fitted_as_of
                or identifiers.first_recorded_on is null
            )
    where identifiers.is_in_crm
),

drawn as (
    {{ lowest_keys('known_records', setting('linkage_sample_rows'), key='record_key') | indent(4) }}
),

sample as (
    select
        as_of,
        record_key,
        {% for column in compared -%}
        {{ column }},
        {% endfor -%}
        {{ sample_hash(['record_key'] + compared, 'as_of') }} as sample_hash
    from drawn
)

select * from sample

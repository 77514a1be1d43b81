-- Var min_consents_share: the other customers never stated whether they agree to segmentation.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    {{ percent_beside_limit('value', 'value', 'threshold') | indent(4) }}
    || ' of the eligible customers have a statement on segmentation, expected at least '
    || {{ percent_beside_limit('threshold', 'value', 'threshold') | indent(4) }}
    || ' (var min_consents_share)' as finding
from coverage
where check_name = 'consents_known' and verdict = 'warn'

-- Var min_demographics_share: with sparser data, segments by attribute describe only a minority of the buyers.

{{ config(severity=gate_severity('coverage')) }}

with coverage as (
    select * from {{ ref('source_coverage') }}
)

select
    replace(check_name, '_known', '') || ' is known for '
    || {{ percent_beside_limit('value', 'value', 'threshold') | indent(4) }} || ' of the buyers, expected at least '
    || {{ percent_beside_limit('threshold', 'value', 'threshold') | indent(4) }} as finding
from coverage
where
    verdict = 'warn'
    and check_name in (
        {%- for attribute in rule_attributes() %}
        '{{ attribute }}_known'{{ ',' if not loop.last }}
        {%- endfor %}
    )

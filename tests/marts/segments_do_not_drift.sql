-- Var drift_limits: a segment whose members have changed in kind may no longer match its name. `all` is all customers.

{{ config(severity=gate_severity('drift')) }}

select case when segment_key = 'all' then 'all customers' else segment_key end || ' ' || warning as finding
from {{ ref('segment_warnings') }}
where gate = 'drift'

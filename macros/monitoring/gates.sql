{% macro gate_severity(gate) %}
    {{ return('error' if gate in setting('error_gates') else setting('test_severity')) }}
{% endmacro %}

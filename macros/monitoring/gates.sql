{#- The severity of a gate: error where var error_gates names it, else that of var test_severity. -#}
{% macro gate_severity(gate) %}
    {{ return('error' if gate in setting('error_gates') else setting('test_severity')) }}
{% endmacro %}

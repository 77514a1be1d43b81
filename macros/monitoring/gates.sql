{#- The severity of a gate: error where var error_gates names it, else that of var test_severity. -#}
{% macro gate_severity(gate) %}
    {% set gates = ['segment_share', 'size_change', 'drift', 'coverage'] %}
    {% set errors = var('error_gates') %}
    {% if errors is string or errors is mapping or errors is not iterable or errors | reject('in', gates) | list %}
        {% do raise_config_error("Var error_gates is '" ~ errors ~ "'. Expected a list of any of " ~ gates | join(', ') ~ ', such as [drift].') %}
    {% endif %}
    {{ return('error' if gate in errors else choice_var('test_severity', ['warn', 'error'])) }}
{% endmacro %}

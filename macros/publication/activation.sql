{#- The segments of var activation_triggers that there are, as SQL literals; null where there are none. -#}
{% macro activation_triggers() %}
    {% set keys = var('activation_triggers') %}
    {% if keys is string or keys is mapping or keys is not iterable or keys | reject('string') | list %}
        {% do raise_config_error("Var activation_triggers is '" ~ keys ~ "'. Expected a list of rule segments, such as [cart_abandoners].") %}
    {% endif %}
    {% set triggers = [] %}
    {% for segment in rule_segments() if segment.segment in keys %}
        {% do triggers.append(sql_literal(segment.segment_key)) %}
    {% endfor %}
    {{ return(triggers | join(', ') if triggers else 'null') }}
{% endmacro %}

{% macro cluster_schemes() %}
    {% set schemes = {'cluster': cluster_features()} %}
    {% set journey_features = cluster_features('journey_features') %}
    {% if journey_features %}
        {% do schemes.update({'journeys': journey_features}) %}
    {% endif %}
    {{ return(schemes) }}
{% endmacro %}


{#- Only what is replaced is stored in int_features__treated, and it is joined only where a feature asks for it. -#}
{% macro clustered_features() -%}
{%- set treated = {} -%}
{%- for features in cluster_schemes().values() -%}
    {%- for feature in features if feature.get('treated') -%}
        {%- do treated.update({feature.column: 'number' if feature.get('encoding', 'number') == 'number' else 'text_value'}) -%}
    {%- endfor -%}
{%- endfor -%}
select
    customers.*
    {%- for column, value in treated.items() %},
    coalesce(treated_{{ column }}.{{ value }}, customers.{{ column }}) as {{ column }}__treated
    {%- endfor %}
from {{ ref('int_features__customers_measured') }} as customers
{%- for column in treated %}
left join {{ ref('int_features__treated') }} as treated_{{ column }}
    on
        customers.as_of = treated_{{ column }}.as_of
        and customers.customer_key = treated_{{ column }}.customer_key
        and treated_{{ column }}.feature = '{{ column }}'
{%- endfor %}
{%- endmacro %}


{% macro is_clustered(scheme, customers, columns) %}
    {% if scheme == 'cluster' %}
        {{ return(customers ~ '.is_buyer') }}
    {% endif %}
    {{ return(columns | map(attribute='sql') | join(' is not null and ') ~ ' is not null') }}
{% endmacro %}


{% macro cluster_columns(customers, features) %}
    {% set columns = [] %}
    {% for feature in features %}
        {% set value = customers ~ '.' ~ feature.column ~ ('__treated' if feature.get('treated') else '') %}
        {% set text = 'coalesce(cast(' ~ value ~ ' as ' ~ dbt.type_string() ~ "), 'unknown')" %}
        {% set encoding = feature.get('encoding', 'number') %}
        {% if encoding == 'number' %}
            {% do columns.append({'name': feature.name, 'sql': value}) %}
        {% elif encoding == 'ordinal' %}
            {% set cases = [] %}
            {% for level in feature.levels %}
                {% do cases.append('when ' ~ sql_literal(level | string) ~ ' then ' ~ loop.index0) %}
            {% endfor %}
            {% do columns.append({'name': feature.name, 'sql': 'case ' ~ text ~ ' ' ~ cases | join(' ') ~ ' end'}) %}
        {% else %}
            {% for level in feature.levels %}
                {% do columns.append({
                    'name': feature.name ~ '__' ~ modules.re.sub('[^a-z0-9]+', '_', level | string | lower),
                    'sql': 'case when ' ~ text ~ ' = ' ~ sql_literal(level | string) ~ ' then 1 else 0 end',
                }) %}
            {% endfor %}
        {% endif %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{% macro cluster_model_id(scheme, fitted_as_of, algorithm, k) -%}
    case when {{ scheme }} <> 'cluster' then {{ scheme }} || '-' else '' end || {{ algorithm }} || '-' || cast({{ k }} as {{ dbt.type_string() }}) || '-' || cast({{ fitted_as_of }} as {{ dbt.type_string() }})
{%- endmacro %}


{% macro least_of(expression, numbers) -%}
least(
    {%- for number in numbers %}
    {{ expression | replace('{n}', number) }}{{ ',' if not loop.last }}
    {%- endfor %}
)
{%- endmacro %}

{#-
    A feature as the clusters see it: logged if the fit says so, capped, centred and scaled by stored parameters. A
    missing value counts as the centre.
-#}
{% macro standardised(value, parameter) -%}
case when {{ value }} is null then 0 else (
    least(greatest(
        case when {{ parameter }}_log_used = 1 then ln(1 + greatest({{ value }}, 0)) else {{ value }} end,
        {{ parameter }}_lower_cap
    ), {{ parameter }}_upper_cap)
    - {{ parameter }}_centre
) / {{ parameter }}_scale end
{%- endmacro %}


{#- c01, c02, ...: the key of a cluster by its number. -#}
{% macro cluster_key(number) -%}
    {{- 'c%02d' | format(number) -}}
{%- endmacro %}


{% macro cluster_key_sql(number) -%}
    'c' || lpad(cast({{ number }} as {{ dbt.type_string() }}), 2, '0')
{%- endmacro %}


{#- kmeans-4-2018-01-01: the algorithm, the number of clusters and the date a model was fitted as of. -#}
{% macro cluster_model_id(fitted_as_of, algorithm, k) -%}
    {{ algorithm }} || '-' || cast({{ k }} as {{ dbt.type_string() }}) || '-' || cast({{ fitted_as_of }} as {{ dbt.type_string() }})
{%- endmacro %}


{#- Euclidean distance of the scaled features to a centroid, whose coordinates are columns `<feature>_<number>`. -#}
{% macro distance_to_centroid(features, number) -%}
sqrt(
    {%- for feature in features %}
    power({{ feature.name }} - {{ feature.name }}_{{ number }}, 2){{ ' +' if not loop.last }}
    {%- endfor %}
)
{%- endmacro %}


{#- The least of numbered columns; nulls are passed over. -#}
{% macro least_of(prefix, numbers) -%}
least(
    {%- for number in numbers %}
    {{ prefix }}{{ number }}{{ ',' if not loop.last }}
    {%- endfor %}
)
{%- endmacro %}

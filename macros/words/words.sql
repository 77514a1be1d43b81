{% macro words_of(expression) %}
    {{- return(adapter.dispatch('words_of', 'customer_segmentation')(expression)) -}}
{% endmacro %}

{% macro default__words_of(expression) -%}
    {%- set letters = regex_replace('lower(' ~ without_accents(expression) ~ ')', "[''`\u2019]", '') -%}
    {#- What holds a digit, an @, a slash or a dot between letters may be an address. -#}
    {%- set words = regex_replace(letters, '\\S*([0-9@/\\\\]|\\pL\\.\\pL)\\S*', ' ') -%}
    unnest(regexp_extract_all({{ words }}, '\pL{2,}'))
{%- endmacro %}

{% macro spark__words_of(expression) -%}
    {%- set letters = regex_replace('lower(' ~ without_accents(expression) ~ ')', "[''`\u2019]", '') -%}
    {%- set words = regex_replace(letters, '\\S*([0-9@/\\\\]|\\pL\\.\\pL)\\S*', ' ') -%}
    explode(regexp_extract_all({{ words }}, {{ spark__pattern('\\pL{2,}') }}, 0))
{%- endmacro %}


{% macro topic_columns() %}
    {% set columns = [] %}
    {% for number in range(1, setting('topics').count + 1) %}
        {% do columns.append('topic_%02d' % number) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{% macro component_columns() %}
    {% set columns = [] %}
    {% for number in range(1, setting('topics').count + 1) if topics_are_embedded() %}
        {% do columns.append('component_%02d' % number) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}


{% macro topics_are_embedded() %}
    {{- return(setting('topics').method == 'embeddings') -}}
{% endmacro %}


{#- dbt leaves the table of a model that is disabled, with the texts of people who are erased later. -#}
{% macro drop_unless_embedded(table) %}
    {{- 'drop table if exists ' ~ this.incorporate(path={'identifier': table}) if not topics_are_embedded() -}}
{% endmacro %}


{% macro embedding_model_key() %}
    {%- if not topics_are_embedded() -%}
        {{- return('') -}}
    {%- endif -%}
    {%- set folder = setting('topics').model -%}
    {%- if not folder -%}
        {%- do definition_error('Var topics', 'model', format_value(folder), "the folder of a sentence-transformers model, because method is 'embeddings'") -%}
    {%- endif -%}
    {{- return(call_plugin('segmentation_embedding_model', [folder])) -}}
{% endmacro %}


{#- Of a ticket all rows are drawn. -#}
{% macro sampled_tickets(tickets) -%}
{%- set known -%}
(
    select
        refit_dates.as_of,
        {{ tickets }}.*
    from {{ tickets }}
    inner join (
        select distinct models_fitted_as_of as as_of
        from {{ ref('int_periods') }}
    ) as refit_dates on {{ tickets }}.day < refit_dates.as_of
) as known_tickets
{%- endset -%}
{{ lowest_keys(known, setting('topics').sample_tickets, key='customer_key, ticket_key', part='as_of') }}
{%- endmacro %}

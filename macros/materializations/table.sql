{#
    DuckDB changes its catalogue in transactions: what is new takes the old one's name in one statement. The adapter's own
    materialization renames twice and drops twice, by macros of which each is rendered with all macros of the project.
#}
{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {% set existing_relation = load_cached_relation(this) %}
    {% set target_relation = this.incorporate(type='table') %}
    {% set new_relation = make_intermediate_relation(target_relation) %}

    {# Python writes by a connection of its own: a build that was killed may have left a table. #}
    {{ drop_relation_if_exists(load_cached_relation(new_relation)) }}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main', language=model['language']) %}
        {{- create_table_as(False, new_relation, compiled_code, model['language']) }}
    {% endcall %}
    {% if existing_relation is not none and not existing_relation.is_table %}
        {{ adapter.drop_relation(existing_relation) }}
    {% endif %}
    {% call statement('swap') %}
        drop table if exists {{ target_relation }};
        alter table {{ new_relation }} rename to {{ adapter.quote(target_relation.identifier) }};
    {% endcall %}
    {% do create_indexes(target_relation) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do persist_docs(target_relation, model) %}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

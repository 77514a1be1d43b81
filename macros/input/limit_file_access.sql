{#- So that SQL in a var can't read or write other files. As a package it leaves the root project's access unchanged. -#}
{% macro limit_file_access() %}
    {% do return(adapter.dispatch('limit_file_access', 'customer_segmentation')()) %}
{% endmacro %}

{#- Elsewhere, SQL reads with the rights of the database user, which dbt can't narrow. -#}
{% macro default__limit_file_access() %}
{% endmacro %}

{% macro duckdb__limit_file_access() %}
    {% if project_name == 'customer_segmentation' %}
        {% set folders = [] if raw_warehouse() else [var('raw_dir')] %}
        {% do folders.extend(setting('raw_roots')) %}
        {% for seed in graph.nodes.values() if seed.resource_type == 'seed' %}
            {% do folders.append(modules.re.sub('[^/]*$', '', seed.root_path ~ '/' ~ seed.original_file_path)) %}
        {% endfor %}
        {% set request = {
            'folders': folders | unique | list,
            'publish_path': publish_path(),
            'roles': setting('roles'),
            'target': flags.TARGET_PATH or 'target',
            'vars': invocation_args_dict.vars,
            'project': project_folder(),
            'model': setting('topics').model,
            'erased': erased_query(),
            'command': flags.WHICH,
            'dataset': var('dataset'),
            'target_name': target.name,
        } %}
        {% set allowed = [] %}
        {% for folder in call_plugin('segmentation_limit_file_access', [tojson(request)]) %}
            {% do allowed.append(sql_literal(folder)) %}
        {% endfor %}
        {% if run_query("select current_setting('enable_external_access')").columns[0].values()[0] %}
            {% do run_query('set allowed_directories = [' ~ allowed | join(', ') ~ ']') %}
            {% do run_query('set enable_external_access = false') %}
        {% endif %}
    {% endif %}
{% endmacro %}

{#- So that SQL in a var can't read or write other files. As a package it leaves the root project's access unchanged. -#}
{% macro limit_file_access() %}
    {% do return(adapter.dispatch('limit_file_access', 'customer_segmentation')()) %}
{% endmacro %}

{% macro default__limit_file_access() %}
{% endmacro %}

{% macro duckdb__limit_file_access() %}
    {% set is_open = run_query("select current_setting('enable_external_access')").columns[0].values()[0] %}
    {% if is_open and project_name == 'customer_segmentation' %}
        {% set folders = [] if raw_warehouse() else [sql_literal(var('raw_dir'))] %}
        {% for folder in setting('raw_roots') %}
            {% do folders.append(sql_literal(folder)) %}
        {% endfor %}
        {% for seed in graph.nodes.values() if seed.resource_type == 'seed' %}
            {% do folders.append(sql_literal(modules.re.sub('[^/]*$', '', seed.root_path ~ '/' ~ seed.original_file_path))) %}
        {% endfor %}
        {% if publish_path() is not none %}
            {% do folders.append(sql_literal(modules.re.sub('[^/]*$', '', publish_path()) or '.')) %}
        {% endif %}
        {% do run_query('set allowed_directories = [' ~ folders | unique | join(', ') ~ ']') %}
        {% do run_query('set enable_external_access = false') %}
    {% endif %}
{% endmacro %}

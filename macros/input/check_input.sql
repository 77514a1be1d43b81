{#-
    For `dbt run-operation check_input`: tells what the raw data of the vars holds and what to change before a build.
    Nothing is built. The file access of a build is not limited here: a hook does that, and this runs without hooks.
-#}
{% macro check_input() %}
    {% do validate_vars() %}
    {% set request = {'raw_dir': var('raw_dir')} if not raw_warehouse() else raw_warehouse() %}
    {% do request.update({'contract': for_python(input_contract())}) %}
    {% set report = call_plugin('segmentation_check_input', [tojson(request)]) %}
    {% do print(report.text) %}
    {% if report.changes %}
        {% do raise_config_error(report.changes ~ ' things have to change before a build; they are listed above.') %}
    {% endif %}
{% endmacro %}

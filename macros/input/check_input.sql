{% macro check_input() %}
    {% do validate_vars() %}
    {% set request = dict(raw_warehouse() or {'raw_dir': var('raw_dir'), 'raw_roots': setting('raw_roots')}, contract=input_contract(), event_roles=event_roles(), empty_references=setting('empty_references')) %}
    {% set report = call_plugin('segmentation_check_input', [tojson(request)]) %}
    {% do print(report.text) %}
    {% if report.changes %}
        {% do exceptions.raise_compiler_error('Changes needed before a build: ' ~ report.changes ~ ', listed above.') %}
    {% endif %}
{% endmacro %}

{% macro package_version() %}
    {{ return('0.1.0') }}
{% endmacro %}


{#- Reported at once: otherwise the database would stop in the middle of a build, at a function that it lacks. -#}
{% macro check_python_package() %}
    {% do return(adapter.dispatch('check_python_package', 'customer_segmentation')()) %}
{% endmacro %}

{#- Only on DuckDB does SQL call functions of the package. -#}
{% macro default__check_python_package() %}
{% endmacro %}

{% macro duckdb__check_python_package() %}
    {% if not run_query("select 1 from duckdb_functions() where function_name = 'segmentation_package_version'") %}
        {% do exceptions.raise_compiler_error(
            "The output '" ~ target.name ~ "' of the profile '" ~ target.profile_name ~ "' has no functions of the Python package "
            ~ 'customer-segmentation ' ~ package_version() ~ '. Expected the package installed beside dbt, and in profiles.yml, under '
            ~ 'that output: plugins: [{module: customer_segmentation.dbt_plugin}].'
        ) %}
    {% endif %}
    {% set installed = run_query('select segmentation_package_version()').columns[0].values()[0] %}
    {% if installed != package_version() %}
        {% do exceptions.raise_compiler_error(
            'The Python package customer-segmentation is of version ' ~ installed ~ ', the dbt package of version ' ~ package_version()
            ~ '. Expected the same version of both.'
        ) %}
    {% endif %}
{% endmacro %}

{#-
    Where raw tables lie in a warehouse, from the vars raw_database, raw_schema and raw_identifiers, as {database, schema,
    identifiers}; none when the raw data is files.
-#}
{% macro raw_warehouse() %}
    {% set database, schema, identifiers = var('raw_database'), var('raw_schema'), var('raw_identifiers') %}
    {% set expected = 'Expected a name of letters, digits, _, $ and -.' %}
    {% for name, value in {'raw_database': database, 'raw_schema': schema}.items() if value is not none %}
        {% if not is_identifier(value) %}
            {% do raise_config_error("Var " ~ name ~ " is '" ~ value ~ "'. " ~ expected) %}
        {% endif %}
    {% endfor %}
    {% if identifiers is not mapping %}
        {% do raise_config_error("Var raw_identifiers is '" ~ identifiers ~ "'. Expected a mapping from tables of the input contract to their names in the warehouse.") %}
    {% endif %}
    {% for table, identifier in identifiers.items() %}
        {% if table not in contract_tables() %}
            {% do raise_config_error("Var raw_identifiers names the table '" ~ table ~ "'. Expected one of " ~ contract_tables() | join(', ') ~ '.') %}
        {% elif not is_identifier(identifier) %}
            {% do raise_config_error("Var raw_identifiers has '" ~ identifier ~ "' for " ~ table ~ '. ' ~ expected) %}
        {% endif %}
    {% endfor %}
    {% if schema is none and (database is not none or identifiers) %}
        {% do raise_config_error('Var ' ~ ('raw_database' if database is not none else 'raw_identifiers') ~ ' is set and raw_schema is not. Set raw_schema to read tables of a warehouse, or neither to read files.') %}
    {% endif %}
    {{ return(none if schema is none else {'database': database or target.database, 'schema': schema, 'identifiers': identifiers}) }}
{% endmacro %}


{% macro is_identifier(value) %}
    {{ return(value is string and modules.re.fullmatch('[A-Za-z0-9_$-]+', value) is not none) }}
{% endmacro %}


{#- Where the raw data is, in words: the folder, or database and schema. -#}
{% macro raw_place() %}
    {% set warehouse = raw_warehouse() %}
    {{ return(warehouse.database ~ '.' ~ warehouse.schema if warehouse else var('raw_dir') | string) }}
{% endmacro %}


{#-
    The tables of the contract that a schema of the warehouse has, as find_raw_tables tells them. What is missing is
    judged as with files: an optional table or column may be, a required one stops the build.
-#}
{% macro find_warehouse_tables(contract, warehouse) %}
    {% set columns, found = {}, {} %}
    {% for row in run_query(raw_columns(warehouse.database, warehouse.schema)).rows %}
        {% do columns.setdefault(row[0], []).append(row[1]) %}
    {% endfor %}
    {% set place = warehouse.database ~ '.' ~ warehouse.schema %}
    {% set hint = ' The command `make check-input` tells what looks like it.' %}
    {% for table in contract %}
        {% set identifier = warehouse.identifiers.get(table.name, table.name) %}
        {% set missing = table.required_columns | reject('in', columns.get(identifier, [])) | list %}
        {% if identifier not in columns and (table.is_required or table.name in warehouse.identifiers) %}
            {% do raise_config_error(place ~ " has no table '" ~ identifier ~ "' for " ~ table.name ~ '. Expected it there, or its name in the var raw_identifiers; found ' ~ (columns | length) ~ ' tables.' ~ hint) %}
        {% elif identifier in columns and missing %}
            {% do raise_config_error(
                place ~ '.' ~ identifier ~ ' lacks the required column ' ~ missing | join(', ') ~ '. Found '
                ~ (table.columns | select('in', columns[identifier]) | join(', ') or 'none of the expected columns')
                ~ '. Expected ' ~ table.columns | join(', ') ~ ', of which ' ~ table.required_columns | join(', ') ~ ' must be there.' ~ hint
            ) %}
        {% elif identifier in columns %}
            {% set relation = api.Relation.create(database=warehouse.database, schema=warehouse.schema, identifier=identifier) %}
            {% do found.update({table.name: {'relation': relation, 'columns': columns[identifier]}}) %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- A query of all tables of a schema and their columns, in order. -#}
{% macro raw_columns(database, schema) %}
    {{- return(adapter.dispatch('raw_columns', 'customer_segmentation')(database, schema)) -}}
{% endmacro %}

{% macro default__raw_columns(database, schema) -%}
    select
        table_name,
        column_name
    from information_schema.columns
    where table_catalog = {{ sql_literal(database) }} and table_schema = {{ sql_literal(schema) }}
    order by table_name, ordinal_position
{%- endmacro %}

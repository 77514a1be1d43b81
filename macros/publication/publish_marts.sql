{#-
    Replaces the published file, as one file, after a fully green build; otherwise says why it stays as it was.
    Runs at the end of every command.
-#}
{% macro publish_marts(results) %}
    {% set path = customer_segmentation.publish_path() %}
    {% if not execute or path is none or flags.WHICH not in ['build', 'run', 'test', 'seed', 'retry'] %}
        {{ return('') }}
    {% endif %}
    {% do customer_segmentation.log_findings(results) %}
    {% set reason = customer_segmentation.reason_not_to_publish(results) %}
    {% if not reason %}
        {% set request = {
            'path': path,
            'allow_empty': var('allow_empty_publish'),
            'tables': customer_segmentation.published_tables(results),
        } %}
        {% set reason = customer_segmentation.call_plugin('segmentation_publish', [tojson(request)]) %}
    {% endif %}
    {% if reason %}
        {% do log('Not published, ' ~ path ~ ' is unchanged: ' ~ reason, info=true) %}
    {% else %}
        {% do log('Published ' ~ path, info=true) %}
    {% endif %}
    {{ return('') }}
{% endmacro %}


{#-
    What failed tests found, for those that say it in words: tests with one column `finding`. Other tests' rows may hold
    what is private, and dbt alone tells only how many there are.
-#}
{% macro log_findings(results) %}
    {% for result in results
        if result.status | string == 'fail'
        and result.node.package_name == 'customer_segmentation'
        and ' as finding' in (result.node.compiled_code or '') %}
        {% for finding in run_query(result.node.compiled_code).columns[0].values()[:5] %}
            {% do log('Check failed: ' ~ result.node.name | replace('_', ' ') ~ '. ' ~ finding, info=true) %}
        {% endfor %}
    {% endfor %}
{% endmacro %}


{#- The file that consumers read, or none. Another project that uses this one as a package publishes nothing unasked. -#}
{% macro publish_path() %}
    {{ return(var('publish_path', 'published/segments.duckdb' if project_name == 'customer_segmentation' else none)) }}
{% endmacro %}


{#- Why this run may not replace the published file, or none. -#}
{% macro reason_not_to_publish(results) %}
    {% if flags.WHICH != 'build' %}
        {{ return('only dbt build publishes, this was dbt ' ~ flags.WHICH ~ '.') }}
    {% elif target.name not in var('publish_targets') %}
        {{ return("the target '" ~ target.name ~ "' is not in the var publish_targets.") }}
    {% elif flags.EMPTY %}
        {{ return('--empty builds no rows.') }}
    {% endif %}
    {% set unsuccessful, ran = [], {} %}
    {% for result in results %}
        {% do ran.update({result.node.unique_id: true}) %}
        {#- Exposures and saved queries say only who reads the marts: they are never built. -#}
        {% set is_built = result.node.resource_type | string not in ['exposure', 'saved_query'] %}
        {% if is_built and result.status | string not in ['success', 'pass', 'warn'] %}
            {% do unsuccessful.append(result.node.name) %}
        {% endif %}
    {% endfor %}
    {% if unsuccessful %}
        {{ return('not everything succeeded: ' ~ customer_segmentation.first_few(unsuccessful) ~ '.') }}
    {% endif %}
    {% set left_out = [] %}
    {% for node in graph.nodes.values()
        if node.package_name == 'customer_segmentation'
        and node.resource_type in ['model', 'seed', 'test']
        and node.config.materialized != 'ephemeral'
        and node.unique_id not in ran %}
        {% do left_out.append(node.name) %}
    {% endfor %}
    {% if left_out %}
        {{ return('not everything was in this run, such as ' ~ customer_segmentation.first_few(left_out) ~ '.') }}
    {% endif %}
    {{ return(none) }}
{% endmacro %}


{% macro first_few(names) %}
    {%- set more = names | length - 3 -%}
    {{- return(names[:3] | join(', ') ~ (' and ' ~ more ~ ' more' if more > 0 else '')) -}}
{% endmacro %}


{#-
    The marts, with their descriptions as comments: every model whose folder has meta.published_schema. One with
    meta.published_as view stays a view, because its rows are quicker made than stored; the tables it reads are then
    published beside it, in the schema `details`.
-#}
{% macro published_tables(results) %}
    {% set tables, views = [], [] %}
    {% for node in graph.nodes.values()
        if node.package_name == 'customer_segmentation'
        and node.resource_type == 'model'
        and node.config.get('meta', {}).get('published_schema') %}
        {% do tables.append(customer_segmentation.published_table(node, node.config.meta.published_schema)) %}
        {% if node.config.meta.get('published_as') == 'view' %}
            {% do views.append(node.unique_id) %}
        {% endif %}
    {% endfor %}
    {% set details = {} %}
    {% for result in results if result.node.unique_id in views %}
        {% set definition = namespace(sql=result.node.compiled_code) %}
        {% for unique_id in result.node.depends_on.nodes %}
            {% set detail = customer_segmentation.published_table(graph.nodes[unique_id], 'details') %}
            {% do details.update({detail.name: detail}) %}
            {% set definition.sql = definition.sql | replace(detail.relation, '"details".' ~ adapter.quote(detail.name)) %}
        {% endfor %}
        {% for table in tables if table.name == result.node.name %}
            {% do table.update({'view': definition.sql}) %}
        {% endfor %}
    {% endfor %}
    {{ return((tables | sort(attribute='name')) + (details.values() | sort(attribute='name'))) }}
{% endmacro %}


{#- One table to publish, as the function of the package wants it. -#}
{% macro published_table(node, schema) %}
    {% set columns = {} %}
    {% for column in node.columns.values() %}
        {% do columns.update({column.name: column.description}) %}
    {% endfor %}
    {{ return({
        'relation': api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) | string,
        'schema': schema,
        'name': node.name,
        'description': node.description,
        'columns': columns,
        'must_keep_rows': node.name in ['customers', 'customer_segments', 'segment_memberships'],
        'view': '',
    }) }}
{% endmacro %}

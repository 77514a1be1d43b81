{% macro publish_marts(results) %}
    {% set path = customer_segmentation.publish_path() %}
    {% if not execute or path is none or flags.WHICH not in ['build', 'run', 'test', 'seed', 'retry'] %}
        {{ return('') }}
    {% endif %}
    {% do customer_segmentation.log_findings(results) %}
    {% do customer_segmentation.record_in_audit_log(results) %}
    {% set reason = customer_segmentation.reason_not_to_publish(results) %}
    {% set lost_rows = none %}
    {% if not reason %}
        {% do customer_segmentation.record_data_tests(results) %}
        {% do customer_segmentation.fill_audit_log() %}
        {% set request = {
            'path': path,
            'allow_empty': var('allow_empty_publish'),
            'roles': customer_segmentation.setting('roles'),
            'tables': customer_segmentation.published_tables(results),
        } %}
        {% set lost_rows = customer_segmentation.publish_tables(request) %}
    {% endif %}
    {#- Everything is green, so only an error shows a scheduler that readers keep the old file. -#}
    {% if lost_rows %}
        {% do exceptions.raise_compiler_error('Not published, ' ~ customer_segmentation.published_place() ~ ' is unchanged: ' ~ lost_rows) %}
    {% elif reason %}
        {% do log('Not published, ' ~ customer_segmentation.published_place() ~ ' is unchanged: ' ~ reason, info=true) %}
    {% else %}
        {% for role, kinds in customer_segmentation.setting('roles').items() %}
            {% do log('Published roles/' ~ role ~ '/' ~ path.rpartition('/')[2] ~ ' beside it: ' ~ kinds | join(', '), info=true) %}
        {% endfor %}
        {% do log('Published ' ~ customer_segmentation.published_place() ~ '\n' ~ customer_segmentation.summary_of_build(results, path), info=true) %}
    {% endif %}
    {{ return('') }}
{% endmacro %}


{#- A hook before publication is the first that knows how all tests went. -#}
{% macro record_data_tests(results) %}
    {% set table = customer_segmentation.published_table(graph.nodes['model.customer_segmentation.data_tests'], 'monitoring') %}
    {% set rows = [] %}
    {% for result in results
        if result.node.resource_type | string == 'test'
        and result.node.package_name == 'customer_segmentation' %}
        {% set reads = [] %}
        {% for unique_id in result.node.depends_on.nodes %}
            {% do reads.append(unique_id.split('.')[-1]) %}
        {% endfor %}
        {% do rows.append("('" ~ result.node.name ~ "', '" ~ result.status ~ "', " ~ result.failures ~ ", '" ~ reads | sort | join(', ') ~ "')") %}
    {% endfor %}
    {#- Those that were kept have their rows from the build before, and so has a table that was. -#}
    {% if customer_segmentation.kept_nodes() and rows %}
        {% do run_query('delete from ' ~ table.relation ~ ' where test_name in (select test_name from (values ' ~ rows | sort | join(', ') ~ ') as ran (test_name, verdict, findings, reads))') %}
    {% endif %}
    {% do run_query('insert into ' ~ table.relation ~ ' (test_name, verdict, findings, reads) values ' ~ rows | sort | join(', ')) if rows %}
{% endmacro %}


{#- Answers with a reason where nothing is published. -#}
{% macro publish_tables(request) %}
    {{ return(adapter.dispatch('publish_tables', 'customer_segmentation')(request)) }}
{% endmacro %}

{% macro duckdb__publish_tables(request) %}
    {{ return(customer_segmentation.call_plugin('segmentation_publish', [tojson(request)])) }}
{% endmacro %}

{#-
    Readers use the views of the schema published. They lead to tables of a schema such as published_1; a build copies its marts to
    another, turns the views round, and drops the copies they led to, which may hold people who were erased since. A build that was
    killed between two views leaves them in two schemas, so the next one copies to a third.
-#}
{% macro spark__publish_tables(request) %}
    {% set views, tables, lost = customer_segmentation.spark__published_views(), request.tables | rejectattr('schema', 'equalto', 'details') | list, [] %}
    {% for table in tables if table.must_keep_rows and not request.allow_empty and views.get(table.name) %}
        {% if not run_query('select 1 from ' ~ table.relation ~ ' limit 1') | length and run_query('select 1 from published.' ~ table.name ~ ' limit 1') | length %}
            {% do lost.append(table.name) %}
        {% endif %}
    {% endfor %}
    {% if lost %}
        {{ return(lost | join(', ') ~ ' would be empty, but the schema published has rows there. If that is intended, run again with the var allow_empty_publish: true.') }}
    {% endif %}
    {% set made, free = customer_segmentation.spark__published_schemas(), [] %}
    {% for number in range(1, views | length + 2) if 'published_' ~ number not in views.values() %}
        {% do free.append('published_' ~ number) %}
    {% endfor %}
    {% do run_query('drop schema if exists ' ~ free[0] ~ ' cascade') %}
    {% for schema in [free[0], 'published'] if schema == free[0] or schema not in made %}
        {% do run_query('create schema ' ~ schema ~ ' comment ' ~ customer_segmentation.sql_literal(customer_segmentation.spark__published_comment())) %}
    {% endfor %}
    {% for table in tables %}
        {% do run_query('create table ' ~ free[0] ~ '.' ~ table.name ~ ' as select * from ' ~ table.relation) %}
    {% endfor %}
    {% for table in tables %}
        {% do run_query('create or replace view published.' ~ table.name ~ ' comment ' ~ customer_segmentation.sql_literal(table.description) ~ ' as select * from ' ~ free[0] ~ '.' ~ table.name) %}
    {% endfor %}
    {% for view in views if view not in tables | map(attribute='name') %}
        {% do run_query('drop view published.' ~ view) %}
    {% endfor %}
    {% for schema in made if schema not in [free[0], 'published'] %}
        {% do run_query('drop schema ' ~ schema ~ ' cascade') %}
    {% endfor %}
    {{ return(none) }}
{% endmacro %}

{#- By it a publication knows the schemas it may drop from. -#}
{% macro spark__published_comment() %}
    {{ return('Of the dbt project customer_segmentation, which drops what is in it when it publishes.') }}
{% endmacro %}

{% macro spark__published_schemas() %}
    {% set schemas, comment = [], customer_segmentation.spark__published_comment() %}
    {% for name in run_query("show schemas like 'published*'").columns[0].values() if modules.re.fullmatch('published(_[0-9]+)?', name) %}
        {% do schemas.append(name) %}
        {% if comment not in run_query('describe schema ' ~ name).columns['info_value'].values() %}
            {% do exceptions.raise_compiler_error('The schema ' ~ name ~ ' is not one of this project, which would drop what is in it. Expected no such schema, or, if all of it may be dropped: comment on schema ' ~ name ~ ' is ' ~ customer_segmentation.sql_literal(comment)) %}
        {% endif %}
    {% endfor %}
    {{ return(schemas) }}
{% endmacro %}

{% macro spark__published_views() %}
    {% set schemas, views, there = customer_segmentation.spark__published_schemas(), {}, [] %}
    {#- Temporary views are listed with those of each schema. -#}
    {% for schema in schemas %}
        {% for row in run_query('show tables in ' ~ schema) if row['namespace'] == schema %}
            {% do there.append(schema ~ '.' ~ row['tableName']) %}
        {% endfor %}
    {% endfor %}
    {% for table in there if table.startswith('published.') %}
        {% set name = table.partition('.')[2] %}
        {% set read = modules.re.search('from (published_[0-9]+)[.]' ~ name ~ '\\s*$', run_query('show create table ' ~ table).columns[0].values()[0] | lower) %}
        {% do views.update({name: read.group(1) if read and read.group(1) ~ '.' ~ name in there else none}) %}
    {% endfor %}
    {{ return(views) }}
{% endmacro %}


{#- Name of the published data set, if any is published. -#}
{% macro published_data_set(path) %}
    {{ return(adapter.dispatch('published_data_set', 'customer_segmentation')(path)) }}
{% endmacro %}

{% macro duckdb__published_data_set(path) %}
    {{ return((call_plugin('segmentation_published_data_set', [path]) or [none]) | first) }}
{% endmacro %}

{% macro spark__published_data_set(path) %}
    {{ return(run_query('select dataset from published.data_set').columns[0].values() | first if spark__published_views().get('data_set') else none) }}
{% endmacro %}


{% macro fill_audit_log() %}
    {% do return(adapter.dispatch('fill_audit_log', 'customer_segmentation')()) %}
{% endmacro %}

{% macro default__fill_audit_log() %}
{% endmacro %}

{% macro duckdb__fill_audit_log() %}
    {% set mart = graph.nodes.get('model.customer_segmentation.audit_log') %}
    {% if mart %}
        {% do run_query(
            "insert into " ~ mart.relation_name ~ " select cast(line ->> '$.number' as bigint), cast(cast(line ->> '$.at' as timestamptz) at time zone 'UTC' as timestamp), "
            ~ "line ->> '$.user', line ->> '$.action', line ->> '$.counts', line ->> '$.previous' "
            ~ "from (select unnest(from_json(segmentation_audit_log(), '[\"json\"]')) as line) as lines"
        ) %}
    {% endif %}
{% endmacro %}


{% macro record_in_audit_log(results) %}
    {% do return(adapter.dispatch('record_in_audit_log', 'customer_segmentation')(results)) %}
{% endmacro %}

{% macro default__record_in_audit_log(results) %}
{% endmacro %}

{% macro duckdb__record_in_audit_log(results) %}
    {% set unsuccessful = [] %}
    {% for result in results if result.status | string in ['error', 'fail', 'skipped'] %}
        {% do unsuccessful.append(result.node.name) %}
    {% endfor %}
    {% do customer_segmentation.call_plugin('segmentation_record_build', [tojson({
        'command': flags.WHICH,
        'dataset': var('dataset'),
        'target': target.name,
        'nodes': results | length,
        'unsuccessful': unsuccessful | length,
    })]) %}
{% endmacro %}


{% macro summary_of_build(results, path) %}
    {{ return(adapter.dispatch('summary_of_build', 'customer_segmentation')(results, path)) }}
{% endmacro %}

{% macro default__summary_of_build(results, path) %}
    {{ return('') }}
{% endmacro %}

{% macro duckdb__summary_of_build(results, path) %}
    {% set checks = [] %}
    {% for result in results if result.status | string == 'warn' and result.node.resource_type | string == 'test' %}
        {% do checks.append([result.node.name, result.failures, result.node.compiled_code]) %}
    {% endfor %}
    {% set request = {
        'path': path,
        'checks': checks | sort,
        'ran': results | map(attribute='node.name') | list,
        'vars': invocation_args_dict.vars,
        'target': flags.TARGET_PATH or 'target',
        'target_name': target.name,
    } %}
    {{ return(customer_segmentation.call_plugin('segmentation_summary', [tojson(request)])) }}
{% endmacro %}


{#- dbt reports only the number of rows. Rows of tests without a column `finding` may hold private data. -#}
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


{% macro publish_path() %}
    {{ return(adapter.dispatch('publish_path', 'customer_segmentation')()) }}
{% endmacro %}

{% macro spark__publish_path() %}
    {{ return('published' if project_name == 'customer_segmentation' and var('publish_path', '') is not none else none) }}
{% endmacro %}

{% macro default__publish_path() %}
    {% set home = env_var('SEGMENTATION_HOME', '') %}
    {{ return(var('publish_path', (home ~ '/' if home else '') ~ 'published/segments.duckdb' if project_name == 'customer_segmentation' else none)) }}
{% endmacro %}


{#- In words, for messages. -#}
{% macro published_place() %}
    {{ return(adapter.dispatch('published_place', 'customer_segmentation')()) }}
{% endmacro %}

{% macro default__published_place() %}
    {{ return(customer_segmentation.publish_path()) }}
{% endmacro %}

{% macro spark__published_place() %}
    {{ return('the schema published') }}
{% endmacro %}


{% macro check_publication() %}
    {% do return(adapter.dispatch('check_publication', 'customer_segmentation')()) %}
{% endmacro %}

{% macro default__check_publication() %}
{% endmacro %}

{% macro spark__check_publication() %}
    {% if customer_segmentation.setting('roles') %}
        {% do exceptions.raise_compiler_error('Var roles is set, and files of roles are written on DuckDB alone. Expected {}: on Spark, grant rights on the views of the schema published.') %}
    {% endif %}
    {% do customer_segmentation.spark__published_schemas() %}
{% endmacro %}


{% macro reason_not_to_publish(results) %}
    {% if flags.WHICH != 'build' %}
        {{ return('only dbt build publishes, this was dbt ' ~ flags.WHICH ~ '.') }}
    {% elif target.name not in var('publish_targets') %}
        {{ return("the target '" ~ target.name ~ "' is not in the var publish_targets.") }}
    {% elif flags.EMPTY %}
        {{ return('--empty builds no rows.') }}
    {% endif %}
    {% set kept, ran, unsuccessful, left_out = customer_segmentation.kept_nodes(), {}, [], [] %}
    {% for result in results %}
        {% do ran.update({result.node.unique_id: true}) %}
        {#- Exposures and saved queries are in the results, but never built. -#}
        {% if result.node.resource_type | string not in ['exposure', 'saved_query'] and result.status | string not in ['success', 'pass', 'warn'] %}
            {% do unsuccessful.append(result.node.name) %}
        {% endif %}
    {% endfor %}
    {% for node in graph.nodes.values()
        if node.package_name == 'customer_segmentation'
        and node.resource_type in ['model', 'seed', 'test']
        and node.config.materialized != 'ephemeral'
        and node.unique_id not in ran
        and node.unique_id not in kept %}
        {% do left_out.append(node.name) %}
    {% endfor %}
    {% for names, words in [(unsuccessful, 'not everything succeeded: '), (left_out, 'not everything was in this run, such as ')] if names %}
        {% set more = ' and ' ~ (names | length - 3) ~ ' more' if names | length > 3 else '' %}
        {{ return(words ~ names[:3] | join(', ') ~ more ~ '.') }}
    {% endfor %}
    {{ return(none) }}
{% endmacro %}


{#- What a build of changed rules leaves as the last build left it, which was green; see kept.py. -#}
{% macro kept_nodes() %}
    {{ return(adapter.dispatch('kept_nodes', 'customer_segmentation')()) }}
{% endmacro %}

{% macro default__kept_nodes() %}
    {{ return([]) }}
{% endmacro %}

{% macro duckdb__kept_nodes() %}
    {{ return(customer_segmentation.call_plugin('segmentation_kept_nodes', [])) }}
{% endmacro %}


{#- Rows of a view are quicker to compute than to store. The tables it reads are published in the schema `details`. -#}
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
    {% set details, readers = {}, {} %}
    {% for result in results if result.node.unique_id in views %}
        {% set definition = namespace(sql=result.node.compiled_code) %}
        {% for unique_id in result.node.depends_on.nodes %}
            {% set node = graph.nodes[unique_id] %}
            {% set meta, detail = node.config.get('meta', {}), customer_segmentation.published_table(node, 'details') %}
            {% do readers.setdefault(detail.name, []).append(result.node.name) %}
            {% set definition.sql = definition.sql | replace(detail.relation, '"details".' ~ adapter.quote(detail.name)) %}
            {#- Without what depends on the builds before. -#}
            {% for column in meta.get('published_without', []) %}
                {% do detail.columns.pop(column, none) %}
            {% endfor %}
            {% set exclude = ' exclude (' ~ meta.published_without | join(', ') ~ ')' if 'published_without' in meta else '' %}
            {% set current = ' inner join ' ~ graph.nodes['model.customer_segmentation.int_periods'].relation_name ~ ' as periods on rows.as_of = periods.as_of where periods.is_current' if meta.get('published_rows') == 'current' else '' %}
            {#- Whoever may read the view needs the table, whatever it is where it is published by itself. -#}
            {% do detail.update({
                'relation': '(select rows.*' ~ exclude ~ ' from ' ~ detail.relation ~ ' as rows' ~ current ~ ')',
                'kind': result.node.config.get('meta', {}).get('kind', 'customers'),
            }) %}
            {% do details.update({detail.name: detail}) %}
        {% endfor %}
        {% for table in tables if table.name == result.node.name %}
            {% do table.update({'view': definition.sql}) %}
        {% endfor %}
    {% endfor %}
    {% for detail in details.values() %}
        {% do detail.update({'description': 'Not an interface: it serves ' ~ readers[detail.name] | sort | join(', ') ~ ' and may change with any version. ' ~ detail.description}) %}
    {% endfor %}
    {{ return((tables | sort(attribute='name')) + (details.values() | sort(attribute='name'))) }}
{% endmacro %}


{% macro published_table(node, schema) %}
    {% set columns = customer_segmentation.wide_table_descriptions() if node.name == 'int_segmentation__customers_predicted' else {} %}
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
        'kind': node.config.get('meta', {}).get('kind', 'customers'),
    }) }}
{% endmacro %}

{% macro find_raw_files(contract) %}
    {{ return(adapter.dispatch('find_raw_files', 'customer_segmentation')(contract)) }}
{% endmacro %}

{% macro duckdb__find_raw_files(contract) %}
    {% set found = {} %}
    {% for file in call_plugin('segmentation_find_raw_files', [var('raw_dir'), tojson(contract), tojson(setting('raw_roots'))]) %}
        {% do found.update({file.table: file}) %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}

{#- By SQL alone, so that a Thrift server can do it too, in any storage that Spark reads. -#}
{% macro spark__find_raw_files(contract) %}
    {% set found, read = {}, spark__raw_places(contract) %}
    {% for table in contract %}
        {% if table.name in read %}
            {% set place, columns = read[table.name], [] %}
            {% set view = 'raw_' ~ table.name %}
            {% do spark__check_headers(place) if place.is_folder and place.format == 'csv' %}
            {% do run_query('create or replace temporary view ' ~ view ~ ' ' ~ spark__reader(place)) %}
            {#- Below the columns are those of the folders again, under a heading. -#}
            {% for column in run_query('describe ' ~ view).columns[0].values() if column and column[0] != '#' and column | lower not in columns %}
                {% do columns.append(column | lower) %}
            {% endfor %}
            {% do run_query('drop view ' ~ view) %}
            {% do check_required_columns(place.path, table, columns) %}
            {% do found.update({table.name: {'place': place, 'columns': columns}}) %}
        {% elif table.is_required %}
            {% do exceptions.raise_compiler_error(var('raw_dir') ~ " has no file for the required table '" ~ table.name ~ "'. Expected " ~ table.name ~ '.parquet, ' ~ table.name ~ '.csv or ' ~ table.name ~ '.jsonl, the last two also with .gz, or a folder ' ~ table.name ~ ' with such parts.') %}
        {% endif %}
    {% endfor %}
    {{ return(found) }}
{% endmacro %}


{#- Path and format of each contract table that has files below raw_dir. -#}
{% macro spark__raw_places(contract) %}
    {% if setting('raw_roots') %}
        {% do exceptions.raise_compiler_error('Var raw_roots is set, and Spark follows all links, wherever they lead. Expected []: see to it that those in raw_dir lead to raw data alone.') %}
    {% endif %}
    {% set places, names = {}, contract | map(attribute='name') | list %}
    {% do run_query('create or replace temporary view raw_files using binaryFile options (path ' ~ sql_literal(var('raw_dir')) ~ ", recursiveFileLookup 'true')") %}
    {% set paths = run_query('select path from raw_files order by path').columns[0].values() %}
    {% do run_query('drop view raw_files') %}
    {% set root = spark__raw_root(paths) %}
    {% for path in paths %}
        {% set inner = path[root | length + 1:] %}
        {% set entry, folders = inner.split('/')[0], inner.split('/')[1:-1] %}
        {% set is_part = entry != inner %}
        {% set file = modules.re.fullmatch('(.+?)[.](parquet|csv|jsonl|ndjson)([.]gz)?', inner.split('/')[-1] | lower) %}
        {% set name = entry | lower if is_part else file.group(1) if file else none %}
        {% set format = {'jsonl': 'json', 'ndjson': 'json'}.get(file.group(2), file.group(2)) if file %}
        {% set columns = modules.re.findall('([^/=]+)=[^/]*/', inner) %}
        {% set place = {'path': root ~ '/' ~ entry, 'is_folder': is_part, 'format': format, 'folders': columns} %}
        {% if name in names and not file %}
            {% do exceptions.raise_compiler_error(place.path ~ ' holds a file that is not read. Expected parts that end in .parquet, .csv or .jsonl, the last two also with .gz: remove it, or write it so.') %}
        {% elif name in names and columns and columns | length != folders | length %}
            {% do exceptions.raise_compiler_error(place.path ~ ' has parts in folders such as day=2026-01-31 and in others below or above them. Expected folders of one kind.') %}
        {% elif name in names and places.get(name, place) != place %}
            {% do exceptions.raise_compiler_error(root ~ ' holds ' ~ name ~ ' more than once, or in several formats. Expected one file, or one folder ' ~ name ~ ' with parts of one format.') %}
        {% elif name in names %}
            {% do places.update({name: place}) %}
        {% elif spark__meant_table(entry, is_part, names) %}
            {% set meant = spark__meant_table(entry, is_part, names) %}
            {% do exceptions.raise_compiler_error(place.path ~ ' is not read, and it looks like the table ' ~ meant ~ '. Expected ' ~ meant ~ '.parquet, ' ~ meant ~ '.csv, ' ~ meant ~ '.jsonl or a folder ' ~ meant ~ ': rename it so, or move it away.') %}
        {% endif %}
    {% endfor %}
    {{ return(places) }}
{% endmacro %}


{#- Spark lists files by their whole paths, whatever way raw_dir is written. A folder inside may have its name, so the shortest counts. -#}
{% macro spark__raw_root(paths) %}
    {% set folder = modules.re.sub('^[A-Za-z][A-Za-z0-9+.-]*:/*|/+$', '', var('raw_dir') | string) %}
    {% set name = modules.re.sub('^(.*/)?[.]{1,2}(/|$)|^/+', '', folder) %}
    {% set roots = [] %}
    {% for path in paths if name %}
        {% set found = modules.re.match('(?s)(.*/' ~ modules.re.escape(name) ~ ')/', path) %}
        {% do roots.append([found.group(1) | length, found.group(1)] if found else [0, '']) %}
    {% endfor %}
    {% if paths and (not roots or not (roots | min)[1]) %}
        {% do exceptions.raise_compiler_error("raw_dir '" ~ var('raw_dir') ~ "' doesn't end with the name of the folder whose files Spark found. Expected its path, such as data/shop, /data/shop or s3a://bucket/shop, without .. or . at its end, and without wildcards.") %}
    {% endif %}
    {{ return((roots | min)[1] if roots else '') }}
{% endmacro %}


{#- As _meant_table of input/raw_files.py: consent.csv, orders_2025.csv. -#}
{% macro spark__meant_table(entry, is_folder, names) %}
    {% set raw = '[.](parquet|(csv|jsonl|ndjson)([.]gz)?)$' %}
    {% set other = '[.](xlsx|xls|ods|tsv|txt|json|xml|db|sqlite|avro|orc|feather|arrow|gz|zip|zst|bz2)$' %}
    {% set ending = raw if modules.re.search(raw, entry | lower) else other %}
    {% if is_folder or modules.re.search(ending, entry | lower) %}
        {% set word = modules.re.sub('[^a-z0-9]+', '_', modules.re.sub(ending, '', entry | lower)).strip('_') %}
        {#- Backwards, so that a name comes before one that it begins with. -#}
        {% for name in names | sort(reverse=true) %}
            {% set one = name[:-1] if name.endswith('s') else name %}
            {% if modules.re.fullmatch(one ~ '|' ~ name ~ '(_.*)?|' ~ name.replace('_', '') ~ '|(' ~ one ~ '|' ~ name ~ ')_?[0-9].*', word) %}
                {{ return(name) }}
            {% endif %}
        {% endfor %}
    {% endif %}
    {{ return(none) }}
{% endmacro %}


{#- Spark reads the columns of the first file for all, and its own error on another header repeats that line, which may be a customer's. -#}
{% macro spark__check_headers(place) %}
    {% do run_query('create or replace temporary view raw_lines using text options (path ' ~ sql_literal(place.path) ~ (", recursiveFileLookup 'true'" if not place.folders) ~ ')') %}
    {% set unlike %}
    with lines as (
        select
            input_file_name() as file,
            input_file_block_start() as starts_at,
            monotonically_increasing_id() as line_number,
            lower(regexp_replace(value, '^\uFEFF|[\r"]', '')) as line
        from raw_lines
    ),

    headers as (
        select
            file,
            min_by(line, line_number) as header
        from lines
        where starts_at = 0
        group by file
    )

    select
        file,
        first_file
    from (
        select
            *,
            first_value(file) over (order by file) as first_file,
            first_value(header) over (order by file) as first_header
        from headers
    ) as compared
    where header <> first_header
    order by file
    limit 1
    {% endset %}
    {% for row in run_query(unlike) %}
        {% do exceptions.raise_compiler_error(row['file'] ~ ' begins with another line than ' ~ row['first_file'] ~ '. Expected the same header, of the same columns in the same order, as the first line of each part.') %}
    {% endfor %}
    {% do run_query('drop view raw_lines') %}
{% endmacro %}


{#- Text is read as text: staging casts it. Columns of files that lack some are found in the others, as on DuckDB. -#}
{% macro spark__reader(place) %}
    {% set options = {'path': place.path} %}
    {#- With it Spark takes no columns from the names of folders. -#}
    {% do options.update({'recursiveFileLookup': 'true'}) if not place.folders %}
    {% if place.format == 'parquet' %}
        {% do options.update({'mergeSchema': 'true'}) %}
    {% else %}
        {% do options.update({'columnNameOfCorruptRecord': '_unreadable'}) %}
    {% endif %}
    {% if place.format == 'csv' %}
        {% do options.update({'header': 'true', 'multiLine': 'true', 'escape': '"', 'enforceSchema': 'false'}) %}
    {% elif place.format == 'json' %}
        {% do options.update({'primitivesAsString': 'true'}) %}
    {% endif %}
    {% set listed = [] %}
    {% for name, value in options.items() %}
        {% do listed.append(name ~ ' ' ~ sql_literal(value)) %}
    {% endfor %}
    {{ return('using ' ~ place.format ~ ' options (' ~ listed | join(', ') ~ ')') }}
{% endmacro %}


{% macro load_raw_files(table, found, keys) %}
    {{ return(adapter.dispatch('load_raw_files', 'customer_segmentation')(table, found, keys)) }}
{% endmacro %}

{#- Text is loaded first, so that unreadable lines are set aside and the others are kept. -#}
{% macro duckdb__load_raw_files(table, found, keys) %}
    {% if found.relation %}
        {{ return(without_erased(table, found.relation, keys)) }}
    {% endif %}
    {% set loaded = input_relation(table.schema, 'text_' ~ table.name) | string %}
    {% do call_plugin('segmentation_load_raw_file', [tojson(found), loaded, input_relation(table.schema, 'rejected_lines') | string, tojson(keys)]) %}
    {{ return(loaded) }}
{% endmacro %}

{#- Nothing is loaded: the table leads to the files. Spark doesn't know the numbers of lines, so none is set aside. -#}
{% macro spark__load_raw_files(table, found, keys) %}
    {% if found.relation %}
        {{ return(found.relation) }}
    {% endif %}
    {% set relation, columns = input_relation(table.schema, 'raw_' ~ table.name), [] %}
    {% do run_query('drop table if exists ' ~ relation) %}
    {% for column in (found.columns + ['_unreadable'] if found.place.format != 'parquet' else []) %}
        {% do columns.append(adapter.quote(column) ~ ' ' ~ dbt.type_string()) %}
    {% endfor %}
    {% set parts = ' partitioned by (' ~ found.place.folders | map('lower') | join(', ') ~ ')' if columns and found.place.folders else '' %}
    {% do run_query('create table ' ~ relation ~ (' (' ~ columns | join(', ') ~ ')' if columns else '') ~ ' ' ~ spark__reader(found.place) ~ parts) %}
    {% do run_query('msck repair table ' ~ relation) if found.place.folders %}
    {% if not columns %}
        {{ return(relation) }}
    {% endif %}
    {% set unreadable = run_query('select count(_unreadable), count(' ~ adapter.quote(found.columns[0]) ~ ') from ' ~ relation).columns[0].values()[0] %}
    {% if unreadable %}
        {% do exceptions.raise_compiler_error(found.place.path ~ ' has ' ~ unreadable ~ ' lines that are no records of its columns. On DuckDB they are set aside with their numbers, which Spark does not know. Expected a file without them: mend it, or write it as Parquet.') %}
    {% endif %}
    {{ return(relation) }}
{% endmacro %}

{#- Var orders_lookback_days: a whole number of days, or none. -#}
{% macro orders_lookback_days() %}
    {{- return(none if var('orders_lookback_days') is none else whole_number_var('orders_lookback_days')) -}}
{% endmacro %}


{#-
    From which loaded_at on a build reads raw orders by var orders_lookback_days, as text. None where it reads all of them, because
    nothing is stored or what is stored could not be kept as it is. In base_orders only.
-#}
{% macro orders_read_from(definition_key) %}
    {%- if not is_incremental() or 'definition_key' not in adapter.get_columns_in_relation(this) | map(attribute='name') -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- set first_read = dbt.dateadd('day', -orders_lookback_days(), 'max(loaded_at)') -%}
    {%- set stored = run_query(
        'select cast(' ~ first_read ~ ' as ' ~ dbt.type_string() ~ '), max(definition_key) = ' ~ definition_key ~ ' from ' ~ this
    ).rows[0] -%}
    {%- if stored[0] is none or not stored[1] -%}
        {%- set reason = 'nothing is stored that was made by the same definitions, code and columns' -%}
    {%- else -%}
        {%- set reason = run_query(why_all_orders_are_read(stored[0])).rows[0][0] -%}
    {%- endif -%}
    {%- if reason -%}
        {%- do log('All raw orders are read: ' ~ reason ~ '.', info=true) -%}
    {%- endif -%}
    {{- return(none if reason else stored[0]) -}}
{% endmacro %}


{#-
    A query of why the stored orders that were loaded before an instant can't be kept, null where they can.

    The rule on gaps between days with orders (see base_orders) looks at all orders, of which only the stored ones are at hand
    here. So it is asked whether newly read rows could be rejected by it, or make it reject others, whatever they are: no gap
    may be so even that they tip it, and none may open behind the newest stored day.
-#}
{% macro why_all_orders_are_read(read_from) -%}
    {%- set hash = 'cast(' ~ quick_hash(['loaded_at']) ~ ' as decimal(38, 0))' -%}
with raw_loads as (
    select {{ to_instant('loaded_at') }} as loaded_at
    from {{ source('input', 'orders') }}
),

raw_rows as (
    select
        count(case when loaded_at < {{ instant(read_from) }} then 1 end) as earlier,
        coalesce(sum(case when loaded_at < {{ instant(read_from) }} then {{ hash }} end), 0) as earlier_hash,
        count(case when loaded_at >= {{ instant(read_from) }} then 1 end) as later,
        count(*) as in_all
    from raw_loads
),

raw_dates as (
    select
        {{ to_instant('ordered_at') }} as ordered_at,
        {{ to_instant('loaded_at') }} as loaded_at
    from {{ source('input', 'orders') }}
    where {{ may_be_loaded_from('loaded_at', read_from) }}
),

newest_read as (
    select {{ local_date('max(ordered_at)') }} as ordered_on
    from raw_dates
    where {{ seconds_between('loaded_at', 'ordered_at') }} <= 86400 or loaded_at is null
),

stored as (
    select * from {{ this }}
    where loaded_at < {{ instant(read_from) }}
),

stored_rows as (
    select
        count(*) as earlier,
        coalesce(sum({{ hash }}), 0) as earlier_hash,
        count(
            case when failed_rule = 'future_date' and {{ seconds_between('loaded_at', 'ordered_at') }} <= 86400 then 1 end
        ) as beyond_a_gap
    from stored
),

order_days as (
    select
        ordered_on,
        count(*) as orders
    from stored
    where failed_rule is null or failed_rule = 'conflicting_repeat'
    group by ordered_on
),

gaps as (
    select
        ordered_on,
        {{ dbt.datediff('ordered_on', 'lead(ordered_on) over (order by ordered_on)', 'day') }} as days_to_next,
        sum(orders) over (order by ordered_on) as orders_until,
        sum(orders) over () as orders_in_all
    from order_days
),

margins as (
    select
        max(ordered_on) as newest_on,
        min(case when days_to_next > 366 then orders_in_all - 2 * orders_until else orders_in_all end) as orders
    from gaps
)

select
    case
        when raw_rows.earlier <> stored_rows.earlier or raw_rows.earlier_hash <> stored_rows.earlier_hash
            then 'those loaded before {{ read_from }} are not the stored ones'
        when raw_rows.later = 0 then 'none was loaded since {{ read_from }}'
        when stored_rows.beyond_a_gap > 0 or coalesce(margins.orders <= raw_rows.in_all - raw_rows.earlier, true)
            then 'a gap of more than 366 days without orders decides what is plausible'
        when {{ dbt.datediff('margins.newest_on', 'newest_read.ordered_on', 'day') }} > 366
            then 'there are orders more than 366 days after the stored ones'
    end as reason
from raw_rows
cross join stored_rows
cross join margins
cross join newest_read
{%- endmacro %}


{#-
    A whole number, as SQL, that stands for all but the data that decides the rows of base_orders: definitions, code and vars, the
    versions of the libraries, where the raw orders lie and their columns, and the key that references are hashed with. Null
    where nothing is built.
-#}
{% macro orders_definition_key() -%}
    {%- if not execute or flags.WHICH not in ['build', 'run', 'retry'] -%}
        {{- return('cast(null as bigint)') -}}
    {%- endif -%}
    {%- set orders = source('input', 'orders') -%}
    {%- set parts = [definition_hash(), run_query(view_definition(orders)).rows[0][0]] -%}
    {%- for column in adapter.get_columns_in_relation(orders) -%}
        {%- do parts.append(column.name ~ ' ' ~ column.dtype) -%}
    {%- endfor -%}
    {%- do parts.append(run_query('select ' ~ safe_reference("'@'")).rows[0][0]) -%}
    {{- return(compact_key(sql_literal(local_md5(tojson(parts))))) -}}
{%- endmacro %}


{#-
    The incremental strategy replace_read_orders: replaces the stored rows that were read again, and those of the keys that go
    with them; all rows where all were read. What is stored stays as it is where a row broke a rule by itself.
-#}
{% macro get_incremental_replace_read_orders_sql(arg_dict) %}
    {%- set target, temp = arg_dict['target_relation'], arg_dict['temp_relation'] -%}
    {%- if run_query('select count(read_from) from ' ~ temp).rows[0][0] == 0 -%}
    create or replace table {{ target }} as
    select * from {{ temp }}
    {%- else -%}
    {%- set columns = arg_dict['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    delete from {{ target }}
    where loaded_at is null or loaded_at >= (select max(read_from) from {{ temp }});

    delete from {{ target }} as stored
    where
        (stored.failed_rule is null or stored.failed_rule = 'conflicting_repeat')
        and exists (
            select 1
            from {{ temp }} as fresh
            where fresh.order_id = stored.order_id and fresh.source_system = stored.source_system
        );

    insert into {{ target }} ({{ columns }})
    select {{ columns }}
    from {{ temp }}
    {%- endif -%}
{% endmacro %}


{#-
    A condition that no raw row fails whose loaded_at, as an instant, is at or after one, or null. It is on the raw column as it is,
    so that files and tables in order of loaded_at are read from there on only; a day less, because the zone of the
    raw column doesn't matter then.
-#}
{% macro may_be_loaded_from(column, instant_text) %}
    {{- return(adapter.dispatch('may_be_loaded_from', 'customer_segmentation')(column, instant_text)) -}}
{% endmacro %}

{% macro duckdb__may_be_loaded_from(column, instant_text) -%}
    {%- set types = {} -%}
    {%- for raw in adapter.get_columns_in_relation(source('input', 'orders')) -%}
        {%- do types.update({raw.name: raw.dtype | upper}) -%}
    {%- endfor -%}
    {%- if types[column] == 'DATE' or types[column].startswith('TIMESTAMP') -%}
        {{ column }} >= '{{ modules.datetime.date.fromisoformat(instant_text[:10]) - modules.datetime.timedelta(days=1) }}' or {{ column }} is null
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{% macro spark__may_be_loaded_from(column, instant_text) -%}
    true
{%- endmacro %}


{#- A query of the SQL that a view is made of. -#}
{% macro view_definition(view) %}
    {{- return(adapter.dispatch('view_definition', 'customer_segmentation')(view)) -}}
{% endmacro %}

{% macro duckdb__view_definition(view) -%}
    select sql
    from duckdb_views()
    where schema_name = {{ sql_literal(view.schema) }} and view_name = {{ sql_literal(view.identifier) }} and database_name = current_database()
{%- endmacro %}

{% macro spark__view_definition(view) -%}
    show create table {{ view }}
{%- endmacro %}

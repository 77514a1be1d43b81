{% macro local_date(instant) %}
    {{- return(adapter.dispatch('local_date', 'customer_segmentation')(instant)) -}}
{% endmacro %}

{% macro duckdb__local_date(instant) -%}
    cast(timezone('{{ setting("timezone") }}', {{ instant }}) as date)
{%- endmacro %}

{#- Instants have the zone of the session, which is UTC on both engines. -#}
{% macro spark__local_date(instant) -%}
    cast(from_utc_timestamp({{ instant }}, '{{ setting("timezone") }}') as date)
{%- endmacro %}


{#- Engines number the days of a week differently. 1 January 1900 was a Monday. -#}
{% macro is_weekend(day) -%}
    mod({{ dbt.datediff("date '1900-01-01'", day, 'day') }}, 7) >= 5
{%- endmacro %}


{#-
    Looking up the time zone for each row takes longer than all else that is done with it, so the offset is joined by UTC
    date. On days when it changes, before 1990 and after 2050, the macros below look up the instant.
-#}
{% macro zone_days() %}
    {{- return(adapter.dispatch('zone_days', 'customer_segmentation')()) -}}
{% endmacro %}

{% macro duckdb__zone_days() -%}
select
    cast(midnight as date) as utc_day,
    case
        when local_midnight - midnight = next_local_midnight - midnight - interval 1 day
            then epoch_us(local_midnight) - epoch_us(midnight)
    end as offset_microseconds
from (
    select
        midnight,
        timezone('{{ setting("timezone") }}', timezone('UTC', midnight)) as local_midnight,
        timezone('{{ setting("timezone") }}', timezone('UTC', midnight + interval 1 day)) as next_local_midnight
    from (
        select unnest(generate_series(timestamp '1990-01-01', timestamp '2050-01-01', interval 1 day)) as midnight
    ) as days
) as midnights
{%- endmacro %}

{% macro spark__zone_days() -%}
select
    utc_day,
    case when offset_microseconds = next_offset_microseconds then offset_microseconds end as offset_microseconds
from (
    select
        cast(midnight as date) as utc_day,
        unix_micros(from_utc_timestamp(midnight, '{{ setting("timezone") }}')) - unix_micros(midnight) as offset_microseconds,
        unix_micros(from_utc_timestamp(midnight + interval 1 day, '{{ setting("timezone") }}'))
        - unix_micros(midnight + interval 1 day) as next_offset_microseconds
    from (
        select explode(sequence(timestamp '1990-01-01', timestamp '2050-01-01', interval 1 day)) as midnight
    ) as days
) as offsets
{%- endmacro %}


{% macro utc_date(instant) %}
    {{- return(adapter.dispatch('utc_date', 'customer_segmentation')(instant)) -}}
{% endmacro %}

{% macro duckdb__utc_date(instant) -%}
    cast(make_timestamp(epoch_us({{ instant }})) as date)
{%- endmacro %}

{% macro spark__utc_date(instant) -%}
    cast({{ instant }} as date)
{%- endmacro %}


{% macro local_date_by_zone_day(instant, zone_days='zone_days') %}
    {{- return(adapter.dispatch('local_date_by_zone_day', 'customer_segmentation')(instant, zone_days)) -}}
{% endmacro %}

{% macro duckdb__local_date_by_zone_day(instant, zone_days) -%}
    coalesce(
        cast(make_timestamp(epoch_us({{ instant }}) + {{ zone_days }}.offset_microseconds) as date),
        {{ local_date(instant) }}
    )
{%- endmacro %}

{% macro spark__local_date_by_zone_day(instant, zone_days) -%}
    coalesce(
        cast(timestamp_micros(unix_micros({{ instant }}) + {{ zone_days }}.offset_microseconds) as date),
        {{ local_date(instant) }}
    )
{%- endmacro %}


{% macro local_hour_by_zone_day(instant, zone_days='zone_days') %}
    {{- return(adapter.dispatch('local_hour_by_zone_day', 'customer_segmentation')(instant, zone_days)) -}}
{% endmacro %}

{% macro duckdb__local_hour_by_zone_day(instant, zone_days) -%}
    coalesce(
        cast(extract(hour from make_timestamp(epoch_us({{ instant }}) + {{ zone_days }}.offset_microseconds)) as integer),
        cast(extract(hour from timezone('{{ setting("timezone") }}', {{ instant }})) as integer)
    )
{%- endmacro %}

{% macro spark__local_hour_by_zone_day(instant, zone_days) -%}
    coalesce(
        hour(timestamp_micros(unix_micros({{ instant }}) + {{ zone_days }}.offset_microseconds)),
        hour(from_utc_timestamp({{ instant }}, '{{ setting("timezone") }}'))
    )
{%- endmacro %}


{#- An order that has a date alone is at midnight, but comes after what its customer did on that date. -#}
{% macro placed_at(instant) -%}
case
    when {{ is_local_midnight(instant) }} then {{ dbt.dateadd('second', 86399, instant) }}
    else {{ instant }}
end
{%- endmacro %}


{% macro is_local_midnight(instant, zone_days='zone_days') %}
    {{- return(adapter.dispatch('is_local_midnight', 'customer_segmentation')(instant, zone_days)) -}}
{% endmacro %}

{% macro duckdb__is_local_midnight(instant, zone_days) -%}
    coalesce(
        mod(epoch_us({{ instant }}) + {{ zone_days }}.offset_microseconds, 86400000000) = 0,
        cast(timezone('{{ setting("timezone") }}', {{ instant }}) as time) = time '00:00:00'
    )
{%- endmacro %}

{% macro spark__is_local_midnight(instant, zone_days) -%}
    coalesce(
        mod(unix_micros({{ instant }}) + {{ zone_days }}.offset_microseconds, 86400000000) = 0,
        date_format(from_utc_timestamp({{ instant }}, '{{ setting("timezone") }}'), 'HH:mm:ss.SSSSSS') = '00:00:00.000000'
    )
{%- endmacro %}


{% macro microseconds(instant) %}
    {{- return(adapter.dispatch('microseconds', 'customer_segmentation')(instant)) -}}
{% endmacro %}

{% macro duckdb__microseconds(instant) -%}
    epoch_us({{ instant }})
{%- endmacro %}

{% macro spark__microseconds(instant) -%}
    unix_micros({{ instant }})
{%- endmacro %}


{% macro dates_between(first, last, step) %}
    {{- return(adapter.dispatch('dates_between', 'customer_segmentation')(first, last, step)) -}}
{% endmacro %}

{% macro duckdb__dates_between(first, last, step) -%}
    select cast(unnest(generate_series({{ first }}, {{ last }}, interval 1 {{ step }})) as date) as day
{%- endmacro %}

{#- Spark counts down where the first date is the later one. -#}
{% macro spark__dates_between(first, last, step) -%}
    select explode(case when first_day <= last_day then sequence(first_day, last_day, interval 1 {{ step }}) end) as day
    from (select {{ first }} as first_day, {{ last }} as last_day) as limits
{%- endmacro %}


{% macro seconds_between(from_instant, to_instant) %}
    {{- return(adapter.dispatch('seconds_between', 'customer_segmentation')(from_instant, to_instant)) -}}
{% endmacro %}

{% macro duckdb__seconds_between(from_instant, to_instant) -%}
    (epoch({{ to_instant }}) - epoch({{ from_instant }}))
{%- endmacro %}

{% macro spark__seconds_between(from_instant, to_instant) -%}
    (cast(unix_micros({{ to_instant }}) - unix_micros({{ from_instant }}) as double) / 1000000)
{%- endmacro %}

-- Products and categories that members buy more or less often than all buyers: the items with the largest lift per segment,
-- which is below 1 where few items were bought more often.
--
-- A customer counts once per product or category, however often it was bought in the window. Only a sample of buyers by
-- lowest key (keys are hashes) and items with enough buyers are counted: otherwise the pairs of members and items would be
-- hundreds of millions. Few buyers make high lift a matter of chance, so members need minimum support, too.

{% set settings = setting('segment_products') -%}

with memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

lines as (
    select * from {{ ref('int_facts__lines') }}
),

products as (
    select * from {{ ref('stg_products') }}
),

periods as (
    select *
    from {{ ref('int_periods') }}
    where is_current
),

recent_lines as {{ not_materialized() }} (
    select
        lines.customer_key,
        lines.product_id,
        lines.category
    from lines
    inner join periods
        on
            lines.day < periods.as_of
            and lines.day >= {{ days_before('periods.as_of', settings.window_days) }}
    where lines.is_completed
),

recent_buyers as (
    select distinct customer_key
    from recent_lines
),

buyers as (
    {{ lowest_keys('recent_buyers', settings.buyers) | indent(4) }}
),

bought_items as (
    {% for level, item in {'product': 'product_id', 'category': 'category'}.items() -%}
    select distinct
        recent_lines.customer_key,
        '{{ level }}' as level,
        recent_lines.{{ item }} as item
    from recent_lines
    inner join buyers on recent_lines.customer_key = buyers.customer_key
    where recent_lines.{{ item }} is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

all_buyers as (
    select count(*) as buyers
    from buyers
),

-- Items and segments are numbered, because counting pairs of text keys costs several times as much.
items as (
    select
        bought_items.level,
        bought_items.item,
        count(*) as buyers,
        cast(row_number() over (order by bought_items.level, bought_items.item) as integer) as number
    from bought_items
    group by bought_items.level, bought_items.item
    having count(*) >= {{ settings.least_buyers }}
),

numbered_items as (
    select
        bought_items.customer_key,
        items.number
    from bought_items
    inner join items
        on
            bought_items.level = items.level
            and bought_items.item = items.item
),

segments as (
    select
        memberships.segment_key,
        count(*) as buyers,
        cast(row_number() over (order by memberships.segment_key) as integer) as number
    from memberships
    inner join periods on memberships.as_of = periods.as_of
    inner join buyers on memberships.customer_key = buyers.customer_key
    group by memberships.segment_key
),

members as (
    select
        memberships.customer_key,
        segments.number
    from memberships
    inner join periods on memberships.as_of = periods.as_of
    inner join segments on memberships.segment_key = segments.segment_key
),

pairs as (
    select
        members.number as segment_number,
        numbered_items.number as item_number,
        count(*) as buyers
    from members
    inner join numbered_items on members.customer_key = numbered_items.customer_key
    group by members.number, numbered_items.number
    having count(*) >= {{ settings.least_buyers }}
),

lifts as (
    select
        segments.segment_key,
        items.level,
        items.item,
        pairs.buyers,
        {{ rounded('pairs.buyers / cast(segments.buyers as double)') }} as share,
        {{ rounded('items.buyers / cast(all_buyers.buyers as double)') }} as share_of_all,
        {{ rounded(
            'pairs.buyers * cast(all_buyers.buyers as double) / (segments.buyers * cast(items.buyers as double))'
        ) }} as lift
    from pairs
    inner join segments on pairs.segment_number = segments.number
    inner join items on pairs.item_number = items.number
    cross join all_buyers
),

ranked as (
    select
        *,
        row_number() over (
            partition by segment_key, level
            order by lift desc, buyers desc, item asc
        ) as rank
    from lifts
),

final as (
    select
        -- ids
        ranked.segment_key,
        ranked.level,
        ranked.item,

        -- words
        coalesce(products.name, ranked.item) as name,

        -- numbers
        cast(ranked.rank as integer) as rank,
        ranked.buyers,
        ranked.share,
        ranked.share_of_all,
        ranked.lift
    from ranked
    left join products
        on
            ranked.level = 'product'
            and ranked.item = products.product_id
    where ranked.rank <= {{ settings.top }}
)

select * from final

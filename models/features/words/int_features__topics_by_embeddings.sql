-- One row per refit date and ticket with a text: its coordinates on the components, and its share of each topic.
--
-- A coordinate is the scalar product of the centred vector and the component's loadings. Topics are clusters of these points:
-- the share of a topic is the probability that the point is drawn from it, among normal distributions of equal weight and
-- equal variance in all directions around the topics' centres. So the main topic is the nearest centre, and a ticket between
-- two centres has a share of both. Rounded, so that later means have the same last bits in every build.

{% set topics = topic_columns() -%}
{% set components = component_columns() -%}

with texts as (
    select * from {{ ref('int_facts__ticket_texts') }}
),

vectors as (
    select * from {{ ref('int_features__text_vectors') }}
),

fit as (
    select * from {{ ref('int_features__embedding_fit') }}
),

models as (
    select
        as_of as fitted_as_of,
        {{ list_in_order('value', 'feature', "part = 'mean'") }} as mean,
        max(case when part = 'variance' then value end) as variance
    from fit
    group by as_of
),

components as (
    select
        as_of as fitted_as_of,
        number,
        {{ list_in_order('value', 'feature', "part = 'loading'") }} as loadings
    from fit
    where part = 'loading'
    group by as_of, number
),

-- The coordinates of a centre are numbered as the components are. Texts that are all alike have a centre and no components.
centres as (
    select
        as_of as fitted_as_of,
        number,
        {{ list_in_order('value', 'feature', "part = 'coordinate'") }} as centre
    from fit
    where part in ('centre', 'coordinate')
    group by as_of, number
),

coordinates as (
    select
        components.fitted_as_of,
        vectors.text_key,
        components.number,
        round(
            {{ dot_product('vectors.vector', 'components.loadings') }}
            - {{ dot_product('models.mean', 'components.loadings') }},
            6
        ) as coordinate
    from vectors
    cross join components
    inner join models on components.fitted_as_of = models.fitted_as_of
),

points as (
    select
        fitted_as_of,
        text_key,
        {%- for column in components %}
        max(case when number = {{ loop.index }} then coordinate end) as {{ column }},
        {%- endfor %}
        {{ list_in_order('coordinate', 'number', 'true') }} as point
    from coordinates
    group by fitted_as_of, text_key
),

distances as (
    select
        centres.fitted_as_of,
        vectors.text_key,
        centres.number,
        coalesce(
            {{ dot_product('points.point', 'points.point') }}
            - 2 * {{ dot_product('points.point', 'centres.centre') }}
            + {{ dot_product('centres.centre', 'centres.centre') }},
            0
        ) as distance
    from vectors
    cross join centres
    left join points
        on
            vectors.text_key = points.text_key
            and centres.fitted_as_of = points.fitted_as_of
),

further as (
    select
        *,
        distance - min(distance) over (partition by fitted_as_of, text_key) as distance_beyond_nearest
    from distances
),

likelihoods as (
    select
        further.fitted_as_of,
        further.text_key,
        further.number,
        exp(-further.distance_beyond_nearest / (2 * models.variance)) as likelihood
    from further
    inner join models on further.fitted_as_of = models.fitted_as_of
),

shares as (
    select
        fitted_as_of,
        {%- for column in topics %}
        cast(
            coalesce(sum(case when number = {{ loop.index }} then likelihood end) / sum(likelihood), 0) as decimal(9, 6)
        ) as {{ column }},
        {%- endfor %}
        text_key
    from likelihoods
    group by fitted_as_of, text_key
),

final as (
    select
        shares.fitted_as_of,
        {%- for column in topics %}
        shares.{{ column }},
        {%- endfor %}
        {%- for column in components %}
        cast(coalesce(points.{{ column }}, 0) as decimal(9, 6)) as {{ column }},
        {%- endfor %}
        texts.ticket_key
    from texts
    inner join shares on texts.text_key = shares.text_key
    left join points
        on
            shares.text_key = points.text_key
            and shares.fitted_as_of = points.fitted_as_of
)

select * from final

-- One row per as_of and eligible customer: features, scores, and the segment in every exclusive scheme.
--
-- The parameters in force at as_of are those of the last refit date; they come as columns of one row per fit.

{% set score_slack = number_var('score_slack', 0, 1) -%}
{% set score = 'scored.kept_' if score_slack else 'scored.' -%}
{% set prospect = "'prospect'" -%}
{% set lifecycle = lifecycle_segment('scored.tenure_days__all', 'scored.recency_days__all', 'scored.gap_days') -%}

with features as (
    select * from {{ ref('int_features__customers_measured') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

clusters as (
    select * from {{ ref('int_segmentation__clusters') }}
),

rfm_labels as (
    select * from {{ ref('rfm_labels') }}
),

cuts as (
    {{ cuts_in_force() | indent(4) }}
),

scored as (
    select
        features.*,
        {% for metric, rfm in rfm_metrics().items() -%}
        case
            when features.is_buyer
                then
                    {{ rfm_score('features.' ~ rfm.column, 'cuts.' ~ metric, rfm.worst_to_best) | indent(20) }}
        end as {{ metric }}_score,
        {% for bound, slack in {'at_least': score_slack, 'at_most': -score_slack}.items() if score_slack -%}
        case
            when features.is_buyer
                then
                    {{ rfm_score('features.' ~ rfm.column, 'cuts.' ~ metric, rfm.worst_to_best, slack) | indent(20) }}
        end as {{ metric }}_score_{{ bound }},
        {% endfor -%}
        {% endfor -%}
        {{ dbt.datediff('features.previous_purchase_on', 'features.last_purchase_on', 'day') }} as gap_days,
        {%- for cut in range(1, spend_bands()) %}
        cuts.break_{{ cut }},
        {%- endfor %}
        cuts.high_from,
        cuts.medium_from
    from features
    inner join periods on features.as_of = periods.as_of
    left join cuts on periods.cutpoints_fitted_as_of = cuts.fitted_as_of
),

{% if score_slack -%}
first_scored as (
    select
        *,
        min(case when is_buyer then as_of end) over (partition by customer_key) as first_as_of
    from scored
),

kept as (
    select
        {%- for metric in rfm_metrics() %}
        {{ replayed_score(metric) | indent(8) }} as kept_{{ metric }}_score,
        {%- endfor %}
        first_scored.*
    from first_scored
    window so_far as (
        partition by customer_key
        order by as_of
    )
),

{% endif -%}
segmented as (
    select
        scored.as_of,
        scored.customer_key,
        scored.customer_id,

        -- features
        {%- for attribute in rule_attributes() %}
        scored.{{ attribute }},
        {%- endfor %}
        {%- for window in metric_windows() %}
        scored.{{ window.column }},
        {%- endfor %}
        {%- for column in derived_columns() %}
        scored.{{ column }},
        {%- endfor %}
        scored.gap_days,
        scored.top_category,
        scored.is_buyer,
        scored.has_events,

        -- scores
        {%- for metric in rfm_metrics() %}
        {{ score ~ metric }}_score as {{ metric }}_score,
        {%- endfor %}

        -- exclusive schemes
        case
            when scored.is_buyer then rfm_labels.segment else {{ prospect }}
        end as rfm,
        case
            when scored.is_buyer
                then {{ value_tier('scored.revenue__365d', 'scored.high_from', 'scored.medium_from') | indent(16) }}
            else {{ prospect }}
        end as value_tier,
        case
            when scored.is_buyer
                then {{ spend_band('scored.revenue__all', 'scored.break') | indent(16) }}
            else {{ prospect }}
        end as spend_breaks,
        case
            when scored.is_buyer
                then {{ spend_limit_segment('scored.revenue__all') | indent(16) }}
            else {{ prospect }}
        end as spend_limits,
        case
            when scored.is_buyer
                then {{ purchase_rhythm('scored.orders__365d') | indent(16) }}
            else {{ prospect }}
        end as purchase_rhythm,
        case
            when scored.is_buyer
                then
                    {{ lifecycle | indent(20) }}
            else {{ prospect }}
        end as lifecycle,
        case
            when scored.is_buyer then coalesce(scored.{{ demographic_attribute() }}, 'unknown')
            else {{ prospect }}
        end as demographic,
        case
            when scored.is_buyer then coalesce(clusters.cluster_key, 'everyone') else {{ prospect }}
        end as cluster,
        clusters.distance as cluster_distance,
        clusters.confidence as cluster_confidence,
        journeys.cluster_key as journeys,
        journeys.distance as journeys_distance,
        journeys.confidence as journeys_confidence
    from {{ 'kept as scored' if score_slack else 'scored' }}
    left join rfm_labels
        on
            {{ score }}recency_score = rfm_labels.recency_score
            and {{ score }}frequency_score = rfm_labels.frequency_score
    left join clusters
        on
            scored.as_of = clusters.as_of
            and scored.customer_key = clusters.customer_key
            and clusters.scheme = 'cluster'
    left join clusters as journeys
        on
            scored.as_of = journeys.as_of
            and scored.customer_key = journeys.customer_key
            and journeys.scheme = 'journeys'
)

select * from segmented

-- One row per as_of and eligible customer: features, scores and the segment in each exclusive scheme.
--
-- The parameters in force at as_of are those of the last refit date, as columns of one row per as_of.

{% set score_slack = setting('score_slack') -%}
{% set score = 'kept_' if score_slack else '' -%}

with features as (
    select * from {{ ref('int_features__customers_measured') }}
),

clusters as (
    select * from {{ ref('int_segmentation__clusters') }}
),

rfm_labels as (
    select * from {{ ref('rfm_labels') }}
),

cutpoints as (
    {{ cuts_in_force() | indent(4) }}
),

scored as (
    select
        {%- for metric, rfm in rfm_metrics().items() %}
        case
            when features.is_buyer
                then
                    {{ rfm_score('features.' ~ rfm.column, 'cutpoints.' ~ metric, rfm.worst_to_best) | indent(20) }}
        end as {{ metric }}_score,
        {%- for bound, slack in {'at_least': score_slack, 'at_most': -score_slack}.items() if score_slack %}
        case
            when features.is_buyer
                then
                    {{ rfm_score('features.' ~ rfm.column, 'cutpoints.' ~ metric, rfm.worst_to_best, slack) | indent(20) }}
        end as {{ metric }}_score_{{ bound }},
        {%- endfor %}
        {%- endfor %}
        features.*
    from features
    left join cutpoints on features.as_of = cutpoints.as_of
),

{% if score_slack -%}
-- Var score_slack adds hysteresis: a customer keeps a score while the value is within that share of a cut point. It is
-- replayed over the periods like stay_until: from the period at which the value passes the stricter cut points to the one at
-- which it misses the looser ones. At the first period only the cut points count.
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
-- Fitted schemes, which rules of other schemes may refer to.
fitted as (
    select
        scored.as_of,
        scored.customer_key,
        scored.customer_id,

        -- features
        {%- for attribute in rule_attributes() %}
        scored.{{ attribute }},
        {%- endfor %}
        {%- for purpose in consent_purposes() %}
        scored.consent_to_{{ purpose }},
        {%- endfor %}
        scored.signed_up_days,
        {%- if reads_birthdays() %}
        scored.birthday_in_days,
        {%- endif %}
        {%- for window in metric_windows() %}
        scored.{{ window.column }},
        {%- endfor %}
        {%- for column in derived_columns() + buyers_columns() | list %}
        scored.{{ column }},
        {%- endfor %}
        scored.recency_gaps,
        scored.top_category,
        scored.is_buyer,
        scored.non_buyer,
        scored.has_events,

        -- scores
        {%- for metric in rfm_metrics() %}
        scored.{{ score ~ metric }}_score{{ ' as ' ~ metric ~ '_score' if score_slack }},
        {%- endfor %}

        -- schemes
        coalesce(scored.non_buyer, rfm_labels.segment) as rfm,
        coalesce(
            scored.non_buyer,
            {{ spend_band('scored.revenue__all', 'cutpoints.break') | indent(12) }}
        ) as spend_breaks,
        coalesce(scored.non_buyer, clusters.cluster_key, 'everyone') as cluster,
        clusters.distance as cluster_distance,
        clusters.confidence as cluster_confidence,
        journeys.cluster_key as journeys,
        journeys.distance as journeys_distance,
        journeys.confidence as journeys_confidence
    from {{ 'kept as scored' if score_slack else 'scored' }}
    left join cutpoints on scored.as_of = cutpoints.as_of
    left join rfm_labels
        on
            scored.{{ score ~ 'recency_score' }} = rfm_labels.recency_score
            and scored.{{ score ~ 'frequency_score' }} = rfm_labels.frequency_score
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
),

segmented as (
    select
        {%- for name, scheme in schemes().items() %}
        {{ scheme_segment(scheme, 'fitted', 'cutpoints') | indent(8) }} as {{ name }},
        {%- endfor %}
        fitted.*
    from fitted
    left join cutpoints on fitted.as_of = cutpoints.as_of
)

select * from segmented

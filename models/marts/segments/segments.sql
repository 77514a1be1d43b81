with segments as (
    select * from {{ ref('int_segmentation__segments') }}
),

warnings as (
    select
        {%- for gate in ['segment_share', 'size_change', 'drift', 'coverage', 'fairness'] %}
        max(case when gate = '{{ gate }}' then warning end) as {{ gate }},
        {%- endfor %}
        segment_key
    from {{ ref('segment_warnings') }}
    group by segment_key
),

final as (
    select
        -- ids
        segments.segment_key,
        segments.scheme,
        segments.segment,

        -- words
        segments.name,
        segments.definition,
        substr({{ hashed_id(['segments.definition']) }}, 1, 8) as version,
        segments.description,
        segments.owner,
        segments.recommended_action,
        segments.channel,
        segments.offer,
        case
            when warnings.segment_key is not null
                then concat_ws(
                    '; ',
                    warnings.segment_share,
                    warnings.size_change,
                    warnings.drift,
                    warnings.coverage,
                    warnings.fairness
                )
        end as warnings,

        -- dates
        segments.as_of,
        segments.fitted_as_of,

        -- flags
        segments.is_exclusive
    from segments
    left join warnings on segments.segment_key = warnings.segment_key
)

select * from final

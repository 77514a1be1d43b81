-- How good the predictions in force are for groups of customers. The numbers are rounded here: their last bits depend on the machine.

with rates as (
    select * from {{ ref('int_marts__prediction_rates') }}
),

-- The largest distance between two groups that are shown.
ranges as (
    select
        *,
        case
            when count(true_positive_rate) over of_attribute > 1
                then max(true_positive_rate) over of_attribute - min(true_positive_rate) over of_attribute
        end as true_positive_range,
        case
            when count(false_positive_rate) over of_attribute > 1
                then max(false_positive_rate) over of_attribute - min(false_positive_rate) over of_attribute
        end as false_positive_range
    from rates
    window of_attribute as (partition by target, thresholds, attribute)
),

final as (
    select
        -- ids
        target,
        as_of as fitted_as_of,
        origin,
        thresholds,
        attribute,
        attribute_group,

        -- numbers
        customers,
        positives,
        {% for number in [
            'selection_rate', 'true_positive_rate', 'false_positive_rate', 'opportunity_difference', 'difference_low',
            'difference_high', 'opportunity_ratio', 'p_value', 'p_corrected', 'predicted', 'observed', 'calibration_p_value',
            'calibration_p_corrected'
        ] -%}
        {{ rounded(number) }} as {{ number }},
        {% endfor -%}
        {{ rounded('true_positive_range') }} as equal_opportunity_difference,
        -- Null where one of the two is: the other alone would look fairer than is known.
        case
            when true_positive_range is not null and false_positive_range is not null
                then {{ rounded('greatest(true_positive_range, false_positive_range)') }}
        end as equalized_odds_difference,

        -- words
        verdict,
        calibration_verdict
    from ranges
)

select * from final

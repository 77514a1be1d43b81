-- One row per pair of records that may be one person, with the evidence: the rule that links them, and the weight of each
-- agreement or difference.
--
-- Comparing all pairs is too expensive, so only records in a common block are compared. The weight follows the model of
-- Fellegi and Sunter: log2(m / u) of each comparison's level, plus the prior, in bits; m and u are estimated by
-- int_identity__linkage_fit. Household evidence (family name, address, an e-mail used by two initials, a phone) adds weight,
-- but never links two records alone.

{% set comparisons = linkage_comparisons() -%}
{#- Records that agree in all columns of a block are compared. -#}
{% set blocks = [
    ['email'],
    ['phone'],
    ['name_in_any_order'],
    ['birth_date', 'given_initial'],
    ['birth_date', 'family_initial'],
    ['birth_date', 'initials_in_any_order'],
    ['birth_date', 'postcode'],
    ['address', 'given_initial'],
    ['postcode', 'family_name', 'given_initial'],
    ['postcode', 'given_name'],
] -%}
{#- The rules by which two records are one person, and what must agree. A nickname agrees with its name. -#}
{% set sure_rules = {
    'name and birth date': ['given_name', 'family_name', 'birth_date'],
    'name and e-mail': ['given_name', 'email'],
    'name and phone': ['given_name', 'family_name', 'phone'],
    'name and address': ['given_name', 'family_name', 'address'],
    'birth date and e-mail': ['birth_date', 'email'],
    'birth date and phone': ['birth_date', 'phone'],
    'name and device': ['given_name', 'device'],
} -%}

with identifiers as (
    select
        *,
        left(given_name, 1) as given_initial,
        left(family_name, 1) as family_initial,
        least(given_name, family_name) || '/' || greatest(given_name, family_name) as name_in_any_order,
        least(left(given_name, 1), left(family_name, 1)) || greatest(left(given_name, 1), left(family_name, 1))
            as initials_in_any_order
    from {{ ref('int_identity__identifiers') }}
),

identity_links as (
    select * from {{ ref('stg_identity_links') }}
),

fit as (
    select * from {{ ref('int_identity__linkage_fit') }}
),

nicknames as (
    select * from {{ ref('nicknames') }}
),

-- Bill matches William, and Bill and Will match each other.
same_names as (
    select
        nickname as name,
        name as other_name
    from nicknames
    union
    select
        name,
        nickname as other_name
    from nicknames
    union
    select
        nicknames.nickname as name,
        siblings.nickname as other_name
    from nicknames
    inner join nicknames as siblings on nicknames.name = siblings.name and nicknames.nickname <> siblings.nickname
),

-- Devices above the hub limit are no evidence.
linked_devices as (
    {% for device in ['anonymous_id', 'device_id'] -%}
    select
        identifiers.record_key,
        identifiers.reference_key,
        identifiers.given_name,
        identifiers.given_initial,
        identifiers.birth_date,
        '{{ device }}' || '/' || identity_links.{{ device }} as device
    from identity_links
    inner join identifiers
        on
            identity_links.source_system = identifiers.source_system
            and identity_links.customer_ref = identifiers.customer_ref
    where identity_links.{{ device }} is not null
    {{ 'union' if not loop.last }}
    {% endfor %}
),

device_users as (
    select device
    from linked_devices
    group by device
    having
        count(distinct coalesce(given_initial, '') || coalesce(birth_date, ''))
        <= {{ setting('identity_hub_limit') }}
),

devices as (
    select linked_devices.*
    from linked_devices
    inner join device_users on linked_devices.device = device_users.device
),

device_pairs as (
    select distinct
        left_devices.record_key as left_key,
        right_devices.record_key as right_key
    from devices as left_devices
    inner join devices as right_devices
        on
            left_devices.device = right_devices.device
            and left_devices.record_key < right_devices.record_key
            and left_devices.reference_key <> right_devices.reference_key
),

candidates as (
    {% for block in blocks -%}
    select
        left_records.record_key as left_key,
        right_records.record_key as right_key
    from identifiers as left_records
    inner join identifiers as right_records
        on
            {% for column in block -%}
            left_records.{{ column }} = right_records.{{ column }}
            and {% endfor -%}
            left_records.record_key < right_records.record_key
            and left_records.reference_key <> right_records.reference_key
    union
    {% endfor -%}
    select
        left_key,
        right_key
    from device_pairs
),

paired as (
    select
        candidates.left_key,
        candidates.right_key,
        coalesce(left_records.given_name = right_records.given_name, false)
        or same_names.name is not null as has_same_given_name,
        coalesce(
            left_records.given_name = right_records.family_name and left_records.family_name = right_records.given_name,
            false
        ) as has_swapped_names,
        coalesce(
            {{ edit_distance('left_records.given_name', 'right_records.given_name') }} <= 1
            and least(length(left_records.given_name), length(right_records.given_name)) >= 3,
            false
        ) as has_similar_given_name,
        coalesce(length(left_records.given_name), 0) <= 1
        or coalesce(length(right_records.given_name), 0) <= 1 as lacks_given_name,
        device_pairs.left_key is not null as has_same_device,
        not left_records.is_in_crm or not right_records.is_in_crm as lacks_crm_record,
        {% for column in ['family_name', 'birth_date', 'email', 'phone', 'address', 'postcode'] -%}
        coalesce(left_records.{{ column }} = right_records.{{ column }}, false) as has_same_{{ column }},
        {% endfor -%}
        coalesce(left_records.email = right_records.email and left_records.is_email_of_one, false)
            as has_same_email_of_one,
        coalesce({{ edit_distance('left_records.birth_date', 'right_records.birth_date') }} <= 1, false)
            as has_similar_birth_date,
        coalesce({{ jaro_winkler('left_records.address', 'right_records.address') }} >= .9, false)
            as has_similar_address,
    {% for comparison in comparisons -%}
    {{ linkage_level(comparison, 'left_records', 'right_records') | indent(8) }} as {{ comparison.name }}_level
    {{- ',' if not loop.last }}
    {% endfor %}
    from candidates
    inner join identifiers as left_records on candidates.left_key = left_records.record_key
    inner join identifiers as right_records on candidates.right_key = right_records.record_key
    left join same_names
        on left_records.given_name = same_names.name and right_records.given_name = same_names.other_name
    left join device_pairs
        on candidates.left_key = device_pairs.left_key and candidates.right_key = device_pairs.right_key
),

compared as (
    select
        *,
        case
            {%- for rule, columns in sure_rules.items() %}
            when
                {% for column in columns -%}
                has_same_{{ column }}
                {{ 'and ' if not loop.last }}
                {%- endfor -%}
                then '{{ rule }}'
            {%- endfor %}
            when has_swapped_names and has_same_birth_date then 'swapped names and birth date'
            -- One of the two has at most an initial.
            when has_same_email_of_one and lacks_given_name then 'e-mail of one person'
        end as rule,
        has_same_given_name
        or has_similar_given_name
        or has_swapped_names
        or has_same_birth_date
        or has_same_email_of_one
            as has_evidence_of_person,
        -- Even a rare name may belong to more than one person.
        has_similar_birth_date
        or has_same_email
        or has_same_phone
        or has_similar_address
        or has_same_postcode
        or has_same_device
            as has_more_than_names
    from paired
),

-- One row; all null if the data was too sparse to estimate weights. Then only rules link.
weights as (
    select
        {% for comparison in comparisons -%}
        {% for number in range(comparison.levels | length + 1) -%}
        max(
            case when part = 'weight' and feature = '{{ comparison.name }}' and number = {{ number }} then value end
        ) as {{ comparison.name }}_{{ number }},
        {% endfor -%}
        {% endfor -%}
        max(case when part = 'prior' then log2(value / (1 - value)) end) as prior
    from fit
),

weighed as (
    select
        compared.*,
        cast(
            weights.prior
            {%- for comparison in comparisons %}
            + case compared.{{ comparison.name }}_level
                {%- for number in range(comparison.levels | length + 1) %}
                when {{ number }} then weights.{{ comparison.name }}_{{ number }}
                {%- endfor %}
                else 0
            end
            {%- endfor %}
            as decimal(18, 3)
        ) as weight
    from compared
    cross join weights
),

judged as (
    select
        *,
        1 / (1 + power(2, -cast(weight as double))) as probability
    from weighed
),

pairs as (
    select
        *,
        has_evidence_of_person
        and (
            rule is not null
            or has_more_than_names
            and coalesce(probability >= {{ setting('identity_threshold') }}, false)
        ) as is_link,
        coalesce(weight, 0) + case when rule is not null then 1000 else 0 end as merge_order
    from judged
    where
        rule is not null
        or probability >= {{ setting('identity_review_from') }}
        -- Whose orders by a shared e-mail are, only people can say.
        or (lacks_crm_record and has_same_email)
)

select * from pairs

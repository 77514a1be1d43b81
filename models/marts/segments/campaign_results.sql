-- Contacts and responses by the segments customers were in at the time: those of the last period before the contact.

with contacts as (
    select * from {{ ref('int_facts__contacts') }}
),

campaigns as (
    select * from {{ ref('stg_campaigns') }}
),

memberships as (
    select * from {{ ref('int_segmentation__memberships') }}
),

periods as (
    select * from {{ ref('int_periods') }}
),

dated_contacts as (
    select
        contacts.*,
        periods.as_of
    from contacts
    inner join periods
        on
            contacts.contacted_on >= periods.as_of
            and (contacts.contacted_on < periods.next_as_of or periods.next_as_of is null)
),

everyone as (
    select
        campaign_id,
        count(responded_on) / cast(count(*) as double) as response_rate
    from dated_contacts
    group by campaign_id
),

results as (
    select
        dated_contacts.campaign_id,
        memberships.scheme,
        memberships.segment_key,
        count(*) as contacted,
        count(dated_contacts.responded_on) as responded,
        count(dated_contacts.responded_on) / cast(count(*) as double) as response_rate
    from dated_contacts
    inner join memberships
        on
            dated_contacts.as_of = memberships.as_of
            and dated_contacts.customer_key = memberships.customer_key
    group by dated_contacts.campaign_id, memberships.scheme, memberships.segment_key
),

final as (
    select
        -- ids
        results.campaign_id,
        results.segment_key,
        results.scheme,

        -- words
        campaigns.name as campaign_name,
        campaigns.type as action,
        'not causal: contacts were not randomized, so members might have responded or bought anyway' as caution,

        -- numbers
        results.contacted,
        results.responded,
        {{ rounded('results.response_rate') }} as response_rate,
        {{ rounded('100 * results.response_rate / nullif(everyone.response_rate, 0)') }} as response_index,

        -- dates
        campaigns.starts_on,
        campaigns.ends_on
    from results
    inner join everyone on results.campaign_id = everyone.campaign_id
    left join campaigns on results.campaign_id = campaigns.campaign_id
)

select * from final

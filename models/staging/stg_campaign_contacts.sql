{{ loaded_rows('campaign_contacts') }}

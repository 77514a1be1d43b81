{{ loaded_rows('campaign_responses') }}

{% macro setting(name) %}
    {%- set value = var(name) -%}
    {%- do check('Var ' ~ name, '', value, settings()[name]) -%}
    {{- return(value | string if 'date' in settings()[name] and value is not none else value) -}}
{% endmacro %}


{% macro settings() %}
    {%- set share, count, flag = {'number': [0, 1]}, {'whole': [1]}, {'one_of': [true, false]} -%}
    {%- set day = {'date': true, 'nullable': true} -%}
    {%- set zone = {'one_of': modules.pytz.all_timezones, 'words': 'a zone of the IANA time zone database, such as Europe/Berlin or UTC'} -%}
    {%- set tables = contract_tables() -%}
    {%- set identifier = {'text': '[A-Za-z0-9_$-]+', 'words': 'a name of letters, digits, _, $ and -'} -%}
    {%- set effect = {'items': {'number': [0]}, 'length': 2, 'words': 'two numbers of at least 0, the lower first'} -%}
    {{- return({
        'raw_roots': {'items': {'text': none}, 'may_be_empty': true, 'words': 'a list of folders, such as [/mnt/exports]'},
        'raw_database': dict(identifier, nullable=true),
        'raw_schema': dict(identifier, nullable=true),
        'raw_identifiers': {'values': identifier, 'named': tables, 'may_be_empty': true},
        'dataset': {'text': '[A-Za-z0-9_-]+', 'words': 'letters, digits, _ and - only, since it names the working file'},
        'timezone': zone,
        'raw_timezone': zone,
        'as_of': day,
        'history_start': dict(day, otherwise='as_of'),
        'period': {'one_of': ['month', 'week', 'day']},
        'rebuild_periods': {'whole': [0]},
        'backfill_from': day,
        'backfill_to': day,
        'refit_cutpoints': {'one_of': ['period', 'quarter', 'year']},
        'refit_models': {'one_of': ['period', 'quarter', 'year']},
        'reselect_models': {'one_of': ['year', 'never']},
        'currency': {'text': none, 'nullable': true},
        'order_statuses': {'values': {'one_of': ['completed', 'returned', 'ignored']}, 'may_be_empty': true},
        'zero_orders_count': flag,
        'empty_references': {'items': {'text': none}, 'may_be_empty': true, 'words': "a list of words, such as ['null', guest, '0']"},
        'largest_plausible_amount': {'number': [0]},
        'earliest_plausible_date': day,
        'latest_plausible_date': day,
        'max_reject_rate': share,
        'oldest_plausible_age': count,
        'segmentation_consent': {'one_of': ['opt_out', 'opt_in']},
        'activation_consent': {'one_of': ['opt_in', 'opt_out']},
        'retention': {'values': {'whole': [1, 1200], 'words': 'a whole number of months from 1 to 1200'}, 'named': expiring_tables() | list, 'may_be_empty': true},
        'identity_threshold': share,
        'identity_review_from': share,
        'identity_vetoes': {'items': {'one_of': ['given_name', 'birth_date']}, 'may_be_empty': true},
        'identity_cap': count,
        'identity_hub_limit': count,
        'trusted_sources': {'items': {'text': none}, 'may_be_empty': true, 'words': 'a list of source systems, best first, such as [crm, shop]'},
        'linkage_sample_rows': count,
        'linkage_seed': {'whole': [0]},
        'session_idle_minutes': count,
        'bot_events_per_day': count,
        'bot_events_per_minute': count,
        'event_roles': {
            'values': {'items': {'text': none}},
            'named': ['page', 'view', 'search', 'cart', 'remove', 'checkout', 'buy'],
            'words': 'a mapping from roles to lists of event types, such as {view: [product_view], buy: [purchase]}',
        },
        'cart_grace_hours': {'whole': [0]},
        'half_life_days': count,
        'big_purchase': {'keys': {'times': count, 'after_orders': count}},
        'score_half_points': {'keys': {'sessions': count, 'depth': count, 'recency': count, 'tenure': count, 'breadth': count}},
        'loyalty_tiers': {'values': share, 'may_be_empty': true},
        'score_slack': share,
        'rfm_recency': {'one_of': ['days', 'own_gaps']},
        'spend_breaks': {'whole': [2, 20]},
        'cluster_pca': flag,
        'cluster_k': {'keys': {'min': {'whole': [2, 20]}, 'max': {'whole': [2, 20]}}},
        'cluster_sample_rows': count,
        'cluster_seed': {'whole': [0]},
        'break_sample_rows': count,
        'prediction_sample_rows': count,
        'prediction_seed': {'whole': [0]},
        'prediction_xgboost': flag,
        'journey_paths': {'keys': {
            'min_support': {'number': [0.001, 1]}, 'min_sessions': count, 'min_length': count, 'max_length': {'whole': [1, 6]},
            'session_events': count, 'sample_sessions': count,
        }},
        'journey_event_types': {'whole': [0]},
        'topics': {'keys': {
            'method': {'one_of': ['tfidf', 'embeddings']}, 'model': {'text': none, 'nullable': true},
            'count': {'whole': [1, 50]}, 'min_customers': count, 'max_ticket_share': {'number': [0.000001, 1]}, 'max_terms': count,
            'shown_terms': count, 'sample_tickets': count, 'seed': count,
        }},
        'annual_discount': share,
        'rating_scales': {
            'values': {'items': {'number': [-1000, 1000]}, 'length': 2, 'words': 'the worst and the best rating, such as [1, 5]'},
            'named': ['support', 'review', 'survey', 'social'],
        },
        'segment_goals': {'values': {'keys': {'kpi': {'one_of': kpis_with_change()}, 'change': {'number': [-1000000, 1000000]}}}, 'may_be_empty': true},
        'segment_products': {'keys': {'window_days': count, 'buyers': count, 'least_buyers': count, 'top': count}},
        'holdout_share': {'number': [0, 0.5]},
        'smallest_cell': count,
        'activation_triggers': {'items': {'text': none}, 'may_be_empty': true, 'words': 'a list of rule segments, such as [cart_abandoners]'},
        'action_priority': {
            'items': {'text': '[a-z][a-z0-9_]*(:.+)?'},
            'may_be_empty': true,
            'words': 'a list of schemes and segment keys, such as [rule:cart_abandoners, rfm]',
        },
        'segment_sample_size': count,
        'explorer_samples': flag,
        'min_segment_share': share,
        'min_demographics_share': share,
        'min_reconciled_share': share,
        'min_consents_share': share,
        'freshness_days': {'values': count, 'named': tables, 'may_be_empty': true},
        'min_validity': share,
        'min_completeness': {'values': {'values': share, 'may_be_empty': true}, 'named': tables, 'may_be_empty': true},
        'min_data_quality': share,
        'source_owners': {'values': {'text': none}, 'named': tables, 'may_be_empty': true},
        'max_segments': count,
        'drift_limits': {'keys': {'psi': effect, 'ks': effect, 'cramers_v': effect, 'size_change': effect}},
        'min_drift_customers': count,
        'protected_attributes': {'items': {'one_of': rule_attributes()}, 'may_be_empty': true},
        'min_fairness_ratio': {'number': [0.01, 1]},
        'group_thresholds': {
            'values': {'keys': {'attribute': {'one_of': rule_attributes()}, 'constraint': {'one_of': ['demographic_parity', 'true_positive_rate_parity']}}},
            'named': (var('predictions', {}) or {}) | list,
            'may_be_empty': true,
            'words': 'a mapping from predictions to how groups are to be treated alike, such as {lapses: {attribute: gender, constraint: demographic_parity}}',
        },
        'error_gates': {'items': {'one_of': ['segment_share', 'size_change', 'drift', 'coverage', 'fairness']}, 'may_be_empty': true},
        'test_severity': {'one_of': ['warn', 'error']},
        'require_hash_key': flag,
        'roles': {
            'values': {'items': {'one_of': ['aggregates', 'outbox', 'customers', 'references', 'models', 'quality']}},
            'may_be_empty': true,
            'words': 'a mapping from roles to kinds of tables, such as {marketing: [aggregates, outbox]}',
        },
        'publish_targets': {'items': {'text': none}, 'may_be_empty': true, 'words': 'a list of targets, such as [local]'},
        'allow_empty_publish': flag,
        'replace_other_dataset': flag,
    }) -}}
{% endmacro %}


{#- After a partial parse dbt hands the same `graph` to the next run, hence the invocation_id. -#}
{% macro cache_of_this_run() %}
    {%- if graph.get('cache_of_customer_segmentation', {}).get('invocation_id') != invocation_id -%}
        {%- do graph.update({'cache_of_customer_segmentation': {'invocation_id': invocation_id}}) -%}
    {%- endif -%}
    {{- return(graph.cache_of_customer_segmentation) -}}
{% endmacro %}

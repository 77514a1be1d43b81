{{ loaded_rows('experiment_outcomes') }}

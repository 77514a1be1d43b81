{{ loaded_rows('experiment_assignments') }}
